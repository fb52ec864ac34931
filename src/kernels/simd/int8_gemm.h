// Products of 8-bit codes, for AVX2 and for AVX-512 with VNNI.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/quantize_ops.h"
#include "tensor/view.h"
#include "tensor/weight_memory.h"

namespace treble::internal::simd {

/// The instructions that multiply codes.
enum class Int8Isa {
  none,
  avx2,         ///< codes of onednn::Int8Range{180, 105, 182}, of which no sum saturates
  avx512_vnni,  ///< any codes
};

/// The one to take on this CPU, within ONEDNN_MAX_CPU_ISA. `none` leaves int8 to oneDNN, which has products for AMX
/// too.
Int8Isa int8_isa();
/// Whether the CPU can run it at all.
bool runs_here(Int8Isa isa);

/// y = dequantised(x W^T) with the weights packed once and sums turned into numbers while they are in registers.
/// oneDNN, which makes every other product, rearranges int8 weights in every call with AVX2, and writes sums to memory
/// (docs/performance.md). Every sum is exact. Immutable; `run` may be called from several threads.
class Int8Gemm {
 public:
  /// Whether the width is one that it has: a multiple of four.
  static bool suits(std::int64_t in) { return in % 4 == 0; }

  /// `codes` [out, in]; runs_here(isa).
  Int8Gemm(Int8Isa isa, std::int64_t in, std::int64_t out, std::span<const std::int8_t> codes);

  /// Codes of an output's inputs from `first`, a multiple of four. Equal sizes.
  void read_codes(std::int64_t output, std::int64_t first, std::span<std::int8_t> codes) const;
  /// The same the other way; nobody may be running.
  void write_codes(std::int64_t output, std::int64_t first, std::span<const std::int8_t> codes);

  /// Whether it is exact for pairs of any codes.
  bool takes_any_codes() const noexcept { return isa_ == Int8Isa::avx512_vnni; }

  /// Outputs that are packed together.
  std::int64_t panel() const noexcept { return panel_; }
  const char* name() const noexcept { return isa_ == Int8Isa::avx2 ? "int8:avx2" : "int8:avx512_vnni"; }

  /// y[row] = or += what dequantize_row makes of the sums of outputs [begin, begin + y.cols); begin is a multiple of
  /// panel(). x [y.rows, in], `rows` its codes' meaning, `columns` of y.cols columns.
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
