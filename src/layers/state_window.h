// The window of StateControl: states without what they read more than R tokens ago.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/selective_scan.h"
#include "layers/recurrent_state.h"
#include "tensor/aligned_buffer.h"
#include "tensor/view.h"

namespace treble::internal {

/// The inputs of one text's scan, its last R tokens of earlier segments first.
class StateWindow {
 public:
  /// `scan` has one sequence; x, B and C lie side by side in `channels`, [tokens, width + 2 · groups · state_size].
  /// `earlier` is null for a text that begins here. All outlive this.
  StateWindow(const ScanInputs& scan, ConstMatrixView channels, std::int64_t window, LayerState* earlier);

  /// y_t −= (∏ α over the last R tokens) C_t h_{t−R}, by a second scan that runs R tokens behind; y [tokens, width].
  /// Then keeps in `earlier` what the next segment needs.
  void subtract(const Execution& execution, AlignedBuffer<float>& scratch, MatrixView y);

  /// The state of `head` after `tokens` tokens of this segment: Σ over the last R tokens j of
  /// (∏ α after j) Δ_j x_j ⊗ B_j, [state_size, head_dim].
  std::vector<float> state(std::int64_t head, std::int64_t tokens) const;

 private:
  ScanInputs lagging(std::int64_t tokens) const;
  void keep_recent();

  const ScanInputs& scan_;
  std::int64_t window_;
  LayerState* earlier_;
  std::int64_t before_ = 0;  ///< tokens of earlier segments
  /// Of these and of the segment; copies where there are earlier ones.
  std::vector<float> joined_channels_;
  std::vector<float> joined_steps_;
  ConstMatrixView channels_;
  ConstMatrixView steps_;
  /// [tokens + 1, num_heads]: sums of steps before each token.
  std::vector<double> step_sums_;
};

}  // namespace treble::internal
