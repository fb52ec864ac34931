// LDLQ (GPTQ) weight rounding: a layer's weights quantized again, once it is known what inputs it gets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/execution.h"
#include "kernels/quantize_ops.h"
#include "kernels/simd/int8_gemm.h"
#include "tensor/aligned_buffer.h"
#include "tensor/view.h"

namespace treble::internal {

/// The rounding errors of one layer's quantized weights, and the first and second moments of its calibration inputs,
/// for two corrections:
///   - weights are rounded one after the other, each compensating the errors of those before it as far as their inputs
///     correlate: LDLQ (Chee et al., arXiv 2307.13304, section 4.1), which equals GPTQ (Frantar et al., arXiv
///     2210.17323), in blocks of neighbouring inputs;
///   - the mean error that an output then still has, which its bias takes back.
class WeightRounding {
 public:
  /// `out` outputs of `in` inputs; `qmax` as quantize_weights takes it.
  WeightRounding(std::int64_t in, std::int64_t out, std::int32_t qmax);

  /// One output's weights, and the values that they were rounded to.
  void record_weights(std::int64_t output, std::span<const float> weights, const WeightQuantParams& params,
                      std::span<const std::int8_t> codes);

  /// Inputs, a row each, of which those that are not finite, or 0 throughout, are left out. Each row weighs 1 / |x|².
  void observe_inputs(const Execution& execution, ConstMatrixView x, AlignedBuffer<float>& scratch);

  /// An output's mean error over the inputs, in quantization steps; 0 without inputs.
  float mean_error(std::int64_t output) const;

  /// New values, in the GEMM and here. False, and nothing changed, where no inputs were observed. `code_sums` [out]
  /// become Σ of an output's values.
  bool requantize(simd::Int8Gemm& gemm, std::span<std::int64_t> code_sums);

 private:
  /// Block of neighbouring inputs whose second moments are kept: wider blocks take longer and round little better.
  static constexpr std::int64_t kBlock = 64;

  static constexpr std::size_t kHalf = kBlock / 2;

  struct Tile;
  /// Of one block of one output's inputs: kHalf pairs.
  std::size_t pairs_at(std::int64_t output, std::int64_t block) const {
    return static_cast<std::size_t>(output * blocks_ + block) * kHalf;
  }
  void factor_moments();
  void load(const simd::Int8Gemm& gemm, Tile& tile) const;
  void store(simd::Int8Gemm& gemm, const Tile& tile, std::span<std::int64_t> code_sums);

  std::int64_t in_;
  std::int64_t out_;
  std::int32_t qmax_;
  std::int64_t blocks_ = (in_ + kBlock - 1) / kBlock;
  AlignedBuffer<std::uint8_t> pairs_;  ///< [out, blocks, kHalf]: errors of inputs i and kHalf + i, four bits each
  std::vector<float> total_;           ///< [blocks, kBlock] Σ x / |x|²
  std::vector<float> moments_;         ///< [blocks][kBlock, kBlock] Σ x xᵀ / |x|², later their factors
  double weight_ = 0;                  ///< Σ 1 / |x|²
};

}  // namespace treble::internal
