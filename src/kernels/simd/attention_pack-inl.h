// Float32 attention: its buffers, and the packing of keys, values and queries.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_ATTENTION_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_ATTENTION_PACK_INL_H_
#undef TREBLE_SIMD_ATTENTION_PACK_INL_H_
#else
#define TREBLE_SIMD_ATTENTION_PACK_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <limits>

#include <hwy/highway.h>

#include "kernels/simd/attention_head.h"
#include "kernels/simd/scratch_arena.h"
#include "kernels/simd/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr float kLowest = std::numeric_limits<float>::lowest();

/// Keys of a tile of scores, queries of a tile of outputs, each times two vectors: 16 sums of 32 registers, or 8 of 16
/// (GCC 12 spills some of 12).
constexpr std::size_t kTile = HWY_MAX_BYTES >= 64 ? 8 : 4;
constexpr std::size_t kTileVectors = 2;
static_assert(kTile % 4 == 0 && kQueries % kTile == 0 && kKeyPadding % kTile == 0);

/// What a block of queries works on.
struct BlockBuffers {
  float* keys;         ///< [length, head_dim], packed
  float* values;       ///< [length, padded_dim], packed
  float* queries;      ///< [head_dim, kQueries], scaled
  float* scores;       ///< [kKeyBlock, kQueries]
  float* output;       ///< [kQueries, padded_dim]
  float* running_max;  ///< [kQueries], likewise below
  float* running_sum;
  float* correction;  ///< rescales what was accumulated before a block of keys
  float* bias_scale;
  float* bias;  ///< of all distances in a block, in descending order; or of four queries' keys
  std::size_t padded_dim;
};

BlockBuffers place_buffers(const HeadTask& task) {
  const std::size_t padded_dim = round_up(task.head_dim, hn::Lanes(D()));
  return place_arrays(*task.scratch, [&](ScratchArena& arena) {
    const std::size_t length = round_up(task.length, kKeyPadding);
    BlockBuffers w{};
    w.keys = arena.take<float>(length * task.head_dim);
    w.values = arena.take<float>(length * padded_dim);
    w.queries = arena.take<float>(kQueries * task.head_dim);
    w.scores = arena.take<float>(kQueries * kKeyBlock);
    w.output = arena.take<float>(kQueries * padded_dim);
    for (float** row : {&w.running_max, &w.running_sum, &w.correction, &w.bias_scale}) {
      *row = arena.take<float>(kQueries);
    }
    w.bias = arena.take<float>(4 * kKeyBlock);
    w.padded_dim = padded_dim;
    return w;
  });
}

/// A block of queries.
struct Block {
  std::size_t first;
  std::size_t rows;
};

/// `count` floats, of which `padded` (a multiple of the vector's lanes) have room; zeros behind the last. A copy of so
/// few bytes by memcpy takes longer to begin than to make.
HWY_INLINE void CopyPadded(const float* HWY_RESTRICT from, std::size_t count, std::size_t padded,
                           float* HWY_RESTRICT to) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + lanes <= count; c += lanes) hn::StoreU(hn::LoadU(d, from + c), d, to + c);
  for (; c < count; ++c) to[c] = from[c];
  for (; c < padded; ++c) to[c] = 0.0F;
}

/// Rows side by side, each of `width` floats; zeros behind the last row and the last column.
void PackRows(const float* from, std::size_t stride, const HeadTask& task, std::size_t width, float* packed) {
  for (std::size_t row = 0; row < task.length; ++row, packed += width) {
    CopyPadded(from + row * stride, task.head_dim, width, packed);
  }
  std::fill_n(packed, (round_up(task.length, kKeyPadding) - task.length) * width, 0.0F);
}

/// Transposed and scaled. Queries behind the last become zeros, so that whole vectors can be computed.
void PackQueries(const HeadTask& task, const Block& block, std::size_t padded_rows, float* queries) {
  const D d;
  const float* from = task.q + block.first * task.q_stride;
  std::size_t row = 0;
  for (; row + 4 <= block.rows && task.head_dim % 4 == 0; row += 4) {
    for (std::size_t c = 0; c < task.head_dim; c += 4) {
      TransposeFour(from + row * task.q_stride + c, task.q_stride, queries + c * kQueries + row, kQueries);
    }
  }
  for (; row < padded_rows; ++row) {
    for (std::size_t c = 0; c < task.head_dim; ++c) {
      queries[c * kQueries + row] = row < block.rows ? from[row * task.q_stride + c] : 0.0F;
    }
  }
  HWY_ALIGN float scales[kQueries] = {};
  for (row = 0; row < block.rows; ++row) scales[row] = task.logit_scales[block.first + row] * task.qk_scale;
  for (std::size_t first = 0; first < padded_rows; first += hn::Lanes(d)) {
    const V scale = hn::Load(d, scales + first);
    for (std::size_t c = 0; c < task.head_dim; ++c) {
      float* values = queries + c * kQueries + first;
      hn::Store(hn::Mul(scale, hn::Load(d, values)), d, values);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
