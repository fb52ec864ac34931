// GEMM of 8-bit values, for AVX2 and for AVX-512 with VNNI.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/compute_isa.h"
#include "kernels/quantize_ops.h"
#include "tensor/view.h"
#include "tensor/weight_memory.h"

namespace treble::internal::simd {

/// y = dequantized(x W^T) with the weights packed once and sums dequantized while they are in registers. oneDNN, which
/// runs every other GEMM, reorders int8 weights in every call with AVX2, and writes sums to memory
/// (docs/performance.md). Every sum is exact. Immutable; `run` may be called from several threads.
class Int8Gemm {
 public:
  /// Whether it supports that input width: a multiple of four.
  static bool supports(std::int64_t in) { return in % 4 == 0; }

  /// `codes` [out, in]; cpu_supports(isa).
  Int8Gemm(Int8Isa isa, std::int64_t in, std::int64_t out, std::span<const std::int8_t> codes);

  /// Quantized weights of an output for inputs from `first`, a multiple of four.
  void read_codes(std::int64_t output, std::int64_t first, std::span<std::int8_t> codes) const;
  /// Overwrites them; no `run` may be in progress.
  void write_codes(std::int64_t output, std::int64_t first, std::span<const std::int8_t> codes);

  /// Whether it is exact for pairs of any values.
  bool takes_any_codes() const noexcept { return isa_ == Int8Isa::avx512_vnni; }

  /// Outputs that are packed together.
  std::int64_t panel() const noexcept { return panel_; }
  const char* name() const noexcept { return isa_ == Int8Isa::avx2 ? "int8:avx2" : "int8:avx512_vnni"; }

  /// y[row] = or += what dequantize_row makes of the sums of outputs [begin, begin + y.cols); begin is a multiple of
  /// panel(). x [y.rows, in], `rows` their quantization parameters, `columns` of y.cols columns.
  void run(const std::uint8_t* x, std::span<const RowQuantParams> rows, std::int64_t begin,
           const ColumnQuantParams& columns, bool accumulate, MatrixView y) const;
  /// y = that, rounded to bfloat16; of avx512_vnni alone, on a CPU that has AVX512-BF16 too.
  void run(const std::uint8_t* x, std::span<const RowQuantParams> rows, std::int64_t begin,
           const ColumnQuantParams& columns, Bfloat16View y) const;

 private:
  std::int64_t place(std::int64_t output, std::int64_t input) const;

  Int8Isa isa_;
  std::int64_t panel_;
  std::int64_t in_;
  WeightMemory panels_;  ///< [out / panel, in / 4, panel, 4]
};

}  // namespace treble::internal::simd
