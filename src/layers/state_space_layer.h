// A block of Mamba-2 (Dao & Gu, "Transformers are SSMs", arXiv 2405.21060, section 7): a selective scan between two
// projections, in place of attention and feed-forward network.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "kernels/linear.h"
#include "kernels/selective_scan.h"
#include "layers/layer_call.h"
#include "layers/norm.h"

namespace treble::internal {

struct StateSpaceShape {
  std::int64_t num_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t state_size = 0;
  std::int64_t num_groups = 0;
  std::int64_t kernel = 0;  ///< of the convolution
  float min_step = 0;
  float max_step = 0;

  /// Of the gate and of the scan's inputs and outputs.
  std::int64_t width() const noexcept { return num_heads * head_dim; }
  /// Of the convolution: x, B and C side by side.
  std::int64_t channels() const noexcept { return width() + 2 * num_groups * state_size; }
  /// Of the input projection: gate, x, B, C, Δ.
  std::int64_t projected() const noexcept { return width() + channels() + num_heads; }
};

/// u = norm(hidden);  z, xBC, Δ = input(u);  x, B, C = silu(convolution(xBC));  Δ ← softplus(Δ + step_bias), clamped;
/// y = scan(x, Δ, a, B, C, d);  hidden += output(gated_norm(y · silu(z)))
class StateSpaceLayer {
 public:
  struct Parts {
    StateSpaceShape shape;
    Norm norm;
    Linear input;                         ///< hidden → shape.projected()
    std::vector<float> convolution;       ///< [kernel, channels]
    std::vector<float> convolution_bias;  ///< [channels] or empty
    std::vector<float> step_bias;         ///< [num_heads]
    std::vector<float> decay;             ///< a = −exp(A_log), [num_heads]
    std::vector<float> skip;              ///< d, [num_heads]
    std::vector<Norm> gated_norms;        ///< RMS, one a group, each of width() / num_groups
    Linear output;                        ///< width() → hidden, accumulating
  };

  explicit StateSpaceLayer(Parts parts) : parts_(std::move(parts)) {}

  /// As EncoderLayer::run.
  MatrixView run(const LayerCall& call, std::int64_t layer, MatrixView hidden,
                 std::span<const std::int64_t> kept = {}) const;

 private:
  struct Part;

  std::vector<Part> parts(const LayerCall& call, std::int64_t layer) const;
  MatrixView projected(const LayerCall& call) const;
  void prepare(const LayerCall& call, std::int64_t layer) const;
  void scan(const LayerCall& call, std::int64_t layer, const Part& part, MatrixView y) const;
  void gate(const LayerCall& call, ConstMatrixView z, MatrixView y) const;

  Parts parts_;
};

}  // namespace treble::internal
