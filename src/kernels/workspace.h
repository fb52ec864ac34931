// Scratch memory of the kernels, owned by whoever makes the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/onednn/matmul.h"
#include "kernels/quantize_ops.h"
#include "tensor/aligned_buffer.h"

namespace treble::internal {

/// What Linear needs beside its weights.
struct LinearScratch {
  AlignedBuffer<std::uint8_t> codes;       ///< inputs quantized to 8 bits
  std::vector<RowQuantParams> row_params;  ///< of `codes`
  AlignedBuffer<std::uint16_t> bf16;       ///< inputs rounded to bfloat16
  AlignedBuffer<float> values;             ///< inputs rounded to bfloat16 and widened again, or rotated
  AlignedBuffer<std::int32_t> sums;        ///< int32 accumulators
  AlignedBuffer<float> part;               ///< some outputs of all rows, dense
  AlignedBuffer<std::uint16_t> part_bf16;  ///< likewise
  onednn::MatmulContext matmul;
};

/// Of one thread; a cache line of its own, so that threads do not share one (false sharing).
struct alignas(64) ThreadScratch {
  LinearScratch linear;
  AlignedBuffer<float> attention;
  AlignedBuffer<float> scan;
};

/// One scratch for each thread of one call. Buffers grow to the largest use and are kept from call to call, so a
/// workspace should serve many calls, one at a time: calls that run at the same time need one each.
class Workspace {
 public:
  /// Makes room for `threads` threads; not while kernels run on it.
  void reserve(int threads) {
    if (static_cast<std::size_t>(threads) > threads_.size()) threads_.resize(static_cast<std::size_t>(threads));
  }

  ThreadScratch& thread(int index) { return threads_[static_cast<std::size_t>(index)]; }

 private:
  std::vector<ThreadScratch> threads_;
};

}  // namespace treble::internal
