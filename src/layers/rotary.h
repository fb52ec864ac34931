// Rotary position embedding (Su et al., arXiv 2104.09864) for the heads of one kind of layer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "batch/packed_batch.h"
#include "kernels/execution.h"
#include "layers/position_plan.h"
#include "tensor/view.h"

namespace treble {

/// Angles p · f_i, with f_i = base^(−2i/d) unless scaled.
class RotaryTable {
 public:
  RotaryTable() = default;
  /// `frequencies` are the head_dim / 2 values f_i.
  RotaryTable(const std::vector<double>& frequencies, const PositionPlan& positions);

  /// Turns every head of `heads` [total_tokens, num_heads · head_dim] by its token's position within its sequence.
  void rotate(const Execution& execution, const PackedBatch& batch, MatrixView heads) const;

  /// Texts of up to short_texts.num_positions() tokens are turned by `short_texts` from now on.
  void set_short_texts(RotaryTable short_texts) {
    short_texts_ = std::make_shared<const RotaryTable>(std::move(short_texts));
  }

  explicit operator bool() const noexcept { return half_ > 0; }
  std::int64_t num_positions() const noexcept { return half_ > 0 ? static_cast<std::int64_t>(cos_.size()) / half_ : 0; }

 private:
  const RotaryTable& table_for(std::int64_t length) const noexcept {
    return short_texts_ != nullptr && length <= short_texts_->num_positions() ? *short_texts_ : *this;
  }

  std::shared_ptr<const RotaryTable> short_texts_;
  std::int64_t half_ = 0;
  std::vector<float> cos_;  ///< [num_positions, half]
  std::vector<float> sin_;
};

/// base^(−2i/dim) for i < dim / 2.
std::vector<double> rotary_frequencies(double base, std::int64_t dim);

}  // namespace treble
