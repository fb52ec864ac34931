// Rotary position embedding (Su et al., arXiv 2104.09864) for the heads of one kind of layer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "batch/packed_batch.h"
#include "kernels/execution.h"
#include "layers/position_plan.h"
#include "layers/rotary_angles.h"
#include "layers/rotary_scaling.h"
#include "tensor/view.h"

namespace treble::internal {

/// Angles p · f_i; see rotary_frequencies for f_i.
class RotaryTable {
 public:
  RotaryTable() = default;
  /// For heads `dim` wide and texts of up to `positions.size()` tokens.
  RotaryTable(const RotaryConfig& rotary, std::int64_t dim, const PositionPlan& positions);

  /// Rotates every head of `heads` [total_tokens, num_heads · head_dim] by its token's position within its sequence.
  void rotate(const Execution& execution, const PackedBatch& batch, MatrixView heads) const;

  /// Texts of up to short_texts.num_positions() tokens are rotated by `short_texts` from now on.
  void set_short_texts(RotaryTable short_texts) {
    short_texts_ = std::make_shared<const RotaryTable>(std::move(short_texts));
  }

  explicit operator bool() const noexcept { return half_ > 0; }
  std::int64_t num_positions() const noexcept { return positions_.size(); }

 private:
  const RotaryTable& table_for(std::int64_t length) const noexcept {
    return short_texts_ != nullptr && length <= short_texts_->num_positions() ? *short_texts_ : *this;
  }
  bool is_long(std::int64_t length) const noexcept;
  RotaryAngles angles_of(std::int64_t length) const;
  void rotate_row(const float* angles, std::span<float> heads) const;
  void rotate_text(std::int64_t length, std::int64_t first_position, MatrixView heads) const;

  std::shared_ptr<const RotaryTable> short_texts_;
  RotaryConfig rotary_;
  PositionPlan positions_;
  std::int64_t half_ = 0;
  RotaryAngles angles_;
  RotaryAngles long_angles_;  ///< longrope's, of texts beyond the original positions
};

}  // namespace treble::internal
