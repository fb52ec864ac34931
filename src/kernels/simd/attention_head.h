// What one head of one sequence needs; shared by the instruction sets that attention.cc is compiled for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/attention.h"

namespace treble::internal::simd {

struct HeadShape {
  std::size_t q_stride = 0;  ///< elements from a row to the next, likewise below
  std::size_t k_stride = 0;
  std::size_t v_stride = 0;
  std::size_t out_stride = 0;
  std::size_t length = 0;
  std::size_t head_dim = 0;
  float qk_scale = 1;
  const float* logit_scales = nullptr;  ///< [length]
  std::size_t window_left = 0;
  std::size_t window_right = 0;
  const float* bias = nullptr;  ///< the bias of distance 0; distances −(length−1) … length−1 lie around it
  bool temper_bias = true;
  const LogitBias* logit_bias = nullptr;
  std::int64_t sequence = 0;  ///< for logit_bias
  std::int64_t head = 0;
  float* scratch = nullptr;  ///< head_scratch_floats(length, head_dim) floats, 64-byte aligned
};

/// Numbers are float or the bits of bfloat16.
template <typename T>
struct BasicHeadTask : HeadShape {
  const T* q = nullptr;
  const T* k = nullptr;
  const T* v = nullptr;
  T* out = nullptr;
};

using HeadTask = BasicHeadTask<float>;
using Bfloat16HeadTask = BasicHeadTask<std::uint16_t>;

/// Queries of a block, and keys of a step of the online softmax: 16 KiB of scores stay in the
/// first-level cache with a tile's keys and values.
inline constexpr std::size_t kQueries = 32;
inline constexpr std::size_t kKeyBlock = 128;
/// Keys are padded to a multiple of this, rows to the widest vector (16 floats).
inline constexpr std::size_t kKeyPadding = 8;
inline constexpr std::size_t kMaxLanes = 16;

constexpr std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Keys [begin, end) that some of the `rows` queries from `first_row` attend to.
struct KeyRange {
  std::size_t begin;
  std::size_t end;
};

inline KeyRange visible_keys(const HeadShape& task, std::size_t first_row, std::size_t rows) {
  return {first_row > task.window_left ? first_row - task.window_left : 0,
          std::min(task.length, first_row + rows + task.window_right)};
}

/// Packed keys and values of the whole sequence, and the query block's working set: O(length).
constexpr std::size_t head_scratch_floats(std::size_t length, std::size_t head_dim) {
  const std::size_t padded_dim = round_up(head_dim, kMaxLanes);
  const std::size_t packed = round_up(length, kKeyPadding) * (head_dim + padded_dim);
  const std::size_t block = kQueries * (head_dim + kKeyBlock + padded_dim + 4) + 4 * kKeyBlock;
  return packed + block + 10 * kMaxLanes;
}

}  // namespace treble::internal::simd
