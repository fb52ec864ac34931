// DeBERTa's disentangled attention (He et al., arXiv 2006.03654, section 3.1): besides content to content, the logits
// have a term from the query's content to the key's relative position, and one from the key's content to the query's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/linear.h"
#include "layers/self_attention.h"

namespace treble::internal {

/// Which row of the table of relative positions stands for query − key.
struct RelativePositions {
  std::int64_t span = 0;          ///< the table has 2 · span rows, distance 0 at row span
  std::int64_t buckets = 0;       ///< 0: distances are clamped, not bucketed
  std::int64_t max_relative = 0;  ///< where logarithmic buckets end

  std::int64_t row(std::int64_t distance) const;
};

/// Of one layer. Immutable.
class DisentangledBias : public LogitBiasSource {
 public:
  struct Parts {
    RelativePositions positions;
    std::int64_t num_heads = 0;
    std::int64_t head_dim = 0;
    float scale = 1;  ///< 1 / sqrt(head_dim · number of terms), as for the content term
    /// [2 · span, num_heads · head_dim]: the table through the key and the query projection; no rows: no such term.
    ConstMatrixView position_keys;
    ConstMatrixView position_queries;
  };

  explicit DisentangledBias(const Parts& parts);

  std::unique_ptr<LogitBias> prepare(const Execution& execution, const PackedBatch& batch, ConstMatrixView q,
                                     ConstMatrixView k) const override;

 private:
  RelativePositions positions_;
  std::int64_t head_dim_;
  float scale_;
  /// One a head, head_dim → 2 · span; empty where there is no such term.
  std::vector<Linear> content_to_position_;
  std::vector<Linear> position_to_content_;
};

}  // namespace treble::internal
