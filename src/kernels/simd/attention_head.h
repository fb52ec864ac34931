// What one head of one sequence needs, and which keys its queries attend to; shared by all attention kernels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/round_up.h"
#include "kernels/attention.h"
#include "tensor/aligned_buffer.h"

namespace treble::internal::simd {

struct HeadShape {
  std::size_t q_stride = 0;  ///< elements from a row to the next, likewise below
  std::size_t k_stride = 0;
  std::size_t v_stride = 0;
  std::size_t out_stride = 0;
  std::size_t length = 0;
  std::size_t num_keys = 0;  ///< of them the first ones, which are attended to
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
  AlignedBuffer<float>* scratch = nullptr;  ///< of the thread
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

/// Keys [begin, end) that some of the `rows` queries from `first_row` attend to; none: begin ≥ end.
struct KeyRange {
  std::size_t begin;
  std::size_t end;
};

inline KeyRange visible_keys(const HeadShape& task, std::size_t first_row, std::size_t rows) {
  return {first_row > task.window_left ? first_row - task.window_left : 0,
          std::min(task.num_keys, first_row + rows + task.window_right)};
}

/// Whether `rows` queries from `first_query` attend to all of `count` keys from `key`.
inline bool fully_visible(const HeadShape& task, std::size_t first_query, std::size_t rows, std::size_t key,
                          std::size_t count) {
  const std::size_t last_key = key + count - 1;
  return last_key < task.num_keys && last_key <= first_query + task.window_right &&
         first_query + rows - 1 <= key + task.window_left;
}

/// Queries [begin, end) of some.
struct QueryRange {
  std::size_t begin;
  std::size_t end;
};

/// Those of `count` queries from `first_query` that attend to `key`, counted from the first; none: begin ≥ end.
inline QueryRange visible_queries(const HeadShape& task, std::size_t key, std::size_t first_query, std::size_t count) {
  if (key >= task.num_keys) return {0, 0};
  const auto queries = static_cast<std::int64_t>(count);
  const auto distance = static_cast<std::int64_t>(key) - static_cast<std::int64_t>(first_query);
  const auto begin = std::clamp<std::int64_t>(distance - static_cast<std::int64_t>(task.window_right), 0, queries);
  const auto end = std::clamp<std::int64_t>(distance + static_cast<std::int64_t>(task.window_left) + 1, 0, queries);
  return {static_cast<std::size_t>(begin), static_cast<std::size_t>(end)};
}

/// What the sum of a query's weighted values is scaled by, from its largest score and the sum of its weights: 0 for a
/// query that attends to nothing and has found no maximum. A NaN shows.
inline float inverse_sum(float largest, float sum) {
  const bool nothing = largest == std::numeric_limits<float>::lowest() && sum == sum;
  return nothing ? 0.0F : 1.0F / sum;
}

using AttendHeadFunction = void (*)(const HeadTask&);

/// The float32 kernel for this CPU.
AttendHeadFunction attend_head_float32();

/// A kernel, and what each thread of a call does before its first head and after its last.
template <typename T>
struct HeadKernel {
  void (*attend)(const BasicHeadTask<T>&) = nullptr;
  void (*begin)() = nullptr;  ///< null: nothing
  void (*end)() = nullptr;
};

}  // namespace treble::internal::simd
