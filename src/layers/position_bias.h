// The learned bias on attention logits that depends on the distance between two tokens (Raffel et al., arXiv
// 1910.10683, section 2.1), as MPNet uses it.
#pragma once

#include <cstdint>

#include "layers/layer_call.h"
#include "tensor/aligned_buffer.h"

namespace treble {

struct RelativeBuckets {
  std::int64_t num_buckets = 0;  ///< 0: the model has no position bias
  std::int64_t max_distance = 128;
};

/// The bucket of key − query for bidirectional attention: half of the buckets for each direction, exact for small
/// distances, logarithmic up to max_distance.
std::int64_t relative_bucket(std::int64_t distance, const RelativeBuckets& buckets);

/// The bias expanded over all distances of texts of up to `reach` tokens.
class PositionBias {
 public:
  PositionBias() = default;
  /// `table` is [num_buckets, num_heads].
  PositionBias(ConstMatrixView table, const RelativeBuckets& buckets, std::int64_t reach);

  PositionBiasView view() const;

 private:
  AlignedBuffer<float> values_;
  std::int64_t num_heads_ = 0;
  std::int64_t reach_ = 0;
};

}  // namespace treble
