// A layer's weights rounded again, once it is known what inputs it gets.
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

/// What the codes of one layer's weights have rounded off, and the first and second moments of the inputs that it has
/// seen, for two corrections:
///   - each weight rounded anew, in turn, to where the errors of those before it that inputs have in common with it
///     are evened out: LDLQ (Chee et al., arXiv 2307.13304, section 4.1), which equals OPTQ (Frantar et al., arXiv
///     2210.17323), in blocks of neighbouring inputs;
///   - what an output then still lacks on average, which its bias takes back.
class WeightRounding {
 public:
  /// `out` outputs of `in` inputs; `most` as quantize_weights takes it.
  WeightRounding(std::int64_t in, std::int64_t out, std::int32_t most);

  /// One output's weights, and what they were rounded to.
  void note(std::int64_t output, std::span<const float> weights, const WeightQuantParams& meaning,
            std::span<const std::int8_t> codes);

  /// Inputs, a row each, of which those that are not finite, or 0 throughout, are left out. Each row weighs 1 / |x|².
  void see(const Execution& execution, ConstMatrixView x, AlignedBuffer<float>& scratch);

  /// What an output lacks on average, in its steps; 0 where that is not known.
  float mean_error(std::int64_t output) const;

  /// New codes, in the product and here. False, and nothing changed, where no inputs have been seen. `code_sums` [out]
  /// become Σ of an output's codes.
  bool round_again(simd::Int8Gemm& product, std::span<std::int64_t> code_sums);

 private:
  /// Second moments are kept of so many neighbouring inputs: wider blocks take longer and round little better.
  static constexpr std::int64_t kBlock = 64;

  static constexpr std::size_t kHalf = kBlock / 2;

  struct Tile;
  /// Of one block of one output's inputs: kHalf pairs.
  std::size_t pairs_at(std::int64_t output, std::int64_t block) const {
    return static_cast<std::size_t>(output * blocks_ + block) * kHalf;
  }
  void factor_moments();
  void load(const simd::Int8Gemm& product, Tile& tile) const;
  void store(simd::Int8Gemm& product, const Tile& tile, std::span<std::int64_t> code_sums);

  std::int64_t in_;
  std::int64_t out_;
  std::int32_t most_;
  std::int64_t blocks_ = (in_ + kBlock - 1) / kBlock;
  AlignedBuffer<std::uint8_t> pairs_;  ///< [out, blocks, kHalf]: errors of inputs i and kHalf + i, four bits each
  std::vector<float> total_;           ///< [blocks, kBlock] Σ x / |x|²
  std::vector<float> moments_;         ///< [blocks][kBlock, kBlock] Σ x xᵀ / |x|², later their factors
  double weight_ = 0;                  ///< Σ 1 / |x|²
};

}  // namespace treble::internal
