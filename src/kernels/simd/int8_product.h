// Products of 8-bit codes for CPUs with AVX2 but without VNNI.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/quantize_ops.h"
#include "tensor/view.h"
#include "tensor/weight_memory.h"

namespace treble::simd {

/// y = dequantised(x W^T) with the weights packed once and sums turned into numbers while they are in registers.
/// oneDNN, which makes every other product, rearranges int8 weights in every call on these CPUs (docs/performance.md).
/// Codes are those of onednn::int8_range(), so every sum is exact. Immutable; `run` may be called from several threads.
class Int8Product {
 public:
  /// Outputs that are packed together.
  static constexpr std::int64_t kPanel = 16;

  /// Whether the CPU can run it at all.
  static bool runs_here();
  /// Whether it is the one to take: oneDNN (within ONEDNN_MAX_CPU_ISA) sees AVX2 alone, and the width divides by four.
  static bool suits(std::int64_t in);

  Int8Product() = default;
  /// `codes` [out, in].
  Int8Product(std::int64_t in, std::int64_t out, std::span<const std::int8_t> codes);

  /// y[row] = or += what dequantize_row makes of the sums of outputs [begin, begin + y.cols); begin is a multiple of
  /// kPanel. x [y.rows, in], `rows` its codes' meaning, `columns` of y.cols columns.
  void run(const std::uint8_t* x, std::span<const RowCodes> rows, std::int64_t begin, const ColumnScales& columns,
           bool accumulate, MatrixView y) const;

 private:
  std::int64_t in_ = 0;
  WeightMemory panels_;  ///< [out / kPanel, in / 4, kPanel, 4]
};

}  // namespace treble::simd
