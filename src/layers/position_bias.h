// A bias on attention logits that depends on the distance between two tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "layers/layer_call.h"
#include "tensor/aligned_buffer.h"

namespace treble::internal {

/// Expanded over all distances of texts of up to `max_length` tokens.
class PositionBias {
 public:
  PositionBias() = default;
  PositionBias(std::int64_t num_heads, std::int64_t max_length);

  /// Of head and key − query.
  float& at(std::int64_t head, std::int64_t distance);
  PositionBiasView view() const;

 private:
  AlignedBuffer<float> values_;
  std::int64_t num_heads_ = 0;
  std::int64_t max_length_ = 0;
};

struct RelativeBuckets {
  std::int64_t num_buckets = 0;  ///< 0: the model has no such bias
  std::int64_t max_distance = 128;
  std::int64_t table_rows = 0;  ///< where the table has more rows than there are buckets; 0: as many

  std::int64_t rows() const noexcept { return table_rows > 0 ? table_rows : num_buckets; }
};

/// The bucket of key − query for bidirectional attention (Raffel et al., arXiv 1910.10683, section 2.1): half of the
/// buckets for each direction, exact for small distances, logarithmic up to max_distance.
std::int64_t relative_bucket(std::int64_t distance, const RelativeBuckets& buckets);

/// The learned bias of T5 and MPNet; `table` is [buckets.rows(), num_heads].
PositionBias bucketed_bias(ConstMatrixView table, const RelativeBuckets& buckets, std::int64_t max_length);

/// ALiBi in both directions (Press et al., arXiv 2108.12409): −slope(head) · |distance|.
PositionBias alibi_bias(std::int64_t num_heads, std::int64_t max_length);

/// The published slopes: powers of 2^(−8/n) for n a power of two, else those of the next lower power and every other
/// one of the next higher.
std::vector<double> alibi_slopes(std::int64_t num_heads);

}  // namespace treble::internal
