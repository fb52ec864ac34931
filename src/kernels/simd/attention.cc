// Blocked attention for one head, compiled once for each instruction set and chosen at run time (Highway).
//
// Keys and values of the head are packed once a sequence, so that both matrix products stream through memory:
//   keys   [panel][head_dim][2 vectors]   S = Q K^T  in tiles of 6 rows x 2 vectors (12 accumulators of 16 registers)
//   values [strip][length][≤ 4 vectors]   O += P V   in tiles of 3 rows x 4 vectors, or 6 rows x 1–2
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include "base/fail.h"
#include "kernels/simd/attention_head.h"
#include "kernels/simd/bfloat16_attention.h"
#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/attention.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace treble::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr std::size_t kScoreRows = 6;
constexpr float kLog2E = std::numbers::log2e_v<float>;

struct Workspace {
  float* keys;
  float* values;
  float* queries;  // [kQueryRows, head_dim], scaled
  float* scores;   // [kQueryRows, kKeyBlock]
  float* output;   // [kQueryRows, padded_dim]
  float* largest;  // [kQueryRows]
  float* sum;      // [kQueryRows]
  std::size_t padded_dim;
};

Workspace divide(const HeadTask& task) {
  Workspace w{};
  w.padded_dim = round_up(task.head_dim, hn::Lanes(D()));
  float* next = task.scratch;
  const auto take = [&next](std::size_t floats) {
    float* result = next;
    next += round_up(floats, kMaxLanes);
    return result;
  };
  w.keys = take(round_up(task.length, 2 * hn::Lanes(D())) * task.head_dim);
  w.values = take(task.length * w.padded_dim);
  w.queries = take(kQueryRows * task.head_dim);
  w.scores = take(kQueryRows * kKeyBlock);
  w.output = take(kQueryRows * w.padded_dim);
  w.largest = take(kQueryRows);
  w.sum = take(kQueryRows);
  return w;
}

#if HWY_TARGET != HWY_SCALAR  // which has no vectors of four
/// Four columns of four keys, turned about: to[c · width + key] = from[key · stride + c].
HWY_INLINE void TransposeFour(const float* from, std::size_t stride, std::size_t width, float* to) {
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> pairs;
  const auto key0 = hn::LoadU(d, from);
  const auto key1 = hn::LoadU(d, from + stride);
  const auto key2 = hn::LoadU(d, from + 2 * stride);
  const auto key3 = hn::LoadU(d, from + 3 * stride);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, key0, key1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, key2, key3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, key0, key1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, key2, key3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, to + width);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, to + 2 * width);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, to + 3 * width);
}
#endif

/// `keys` keys, side by side, as columns of a panel; columns past them become zeros.
void PackPanel(const float* from, std::size_t stride, std::size_t keys, std::size_t head_dim, float* panel) {
  const std::size_t width = 2 * hn::Lanes(D());
  std::size_t first = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; first + 4 <= keys && head_dim % 4 == 0; first += 4) {
    for (std::size_t c = 0; c < head_dim; c += 4) {
      TransposeFour(from + first * stride + c, stride, width, panel + c * width + first);
    }
  }
#endif
  for (; first < width; ++first) {
    for (std::size_t c = 0; c < head_dim; ++c) {
      panel[c * width + first] = first < keys ? from[first * stride + c] : 0.0F;
    }
  }
}

void PackKeys(const HeadTask& task, float* packed) {
  const std::size_t width = 2 * hn::Lanes(D());
  for (std::size_t first = 0; first < task.length; first += width, packed += width * task.head_dim) {
    PackPanel(task.k + first * task.k_stride, task.k_stride, std::min(width, task.length - first), task.head_dim,
              packed);
  }
}

/// Vectors of the strip that starts at vector `first` of the head's width.
std::size_t StripVectors(std::size_t padded_dim, std::size_t first) {
  return std::min<std::size_t>(4, padded_dim / hn::Lanes(D()) - first);
}

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

void PackValues(const HeadTask& task, std::size_t padded_dim, float* packed) {
  const std::size_t lanes = hn::Lanes(D());
  for (std::size_t first = 0; first < padded_dim / lanes; first += 4) {
    const std::size_t width = StripVectors(padded_dim, first) * lanes;
    const std::size_t begin = first * lanes;
    const std::size_t used = std::min(width, task.head_dim - begin);
    for (std::size_t row = 0; row < task.length; ++row, packed += width) {
      CopyPadded(task.v + row * task.v_stride + begin, used, width, packed);
    }
  }
}

/// Rows past `rows` become zeros, so that whole tiles can be computed.
void ScaleQueries(const HeadTask& task, std::size_t first, std::size_t rows, float* queries) {
  for (std::size_t row = 0; row < kQueryRows; ++row) {
    float* scaled = queries + row * task.head_dim;
    if (row >= rows) {
      std::memset(scaled, 0, task.head_dim * sizeof(float));
      continue;
    }
    const float* query = task.q + (first + row) * task.q_stride;
    const float scale = task.logit_scales[first + row] * task.qk_scale;
    for (std::size_t c = 0; c < task.head_dim; ++c) scaled[c] = query[c] * scale;
  }
}

/// S[6 rows, 2 vectors] = Q K^T.
HWY_INLINE void ScoreTile(const float* HWY_RESTRICT queries, const float* HWY_RESTRICT panel, std::size_t head_dim,
                          float* HWY_RESTRICT scores) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  V sum0[kScoreRows];
  V sum1[kScoreRows];
  for (std::size_t r = 0; r < kScoreRows; ++r) sum0[r] = sum1[r] = hn::Zero(d);
  for (std::size_t c = 0; c < head_dim; ++c, panel += 2 * lanes) {
    const V key0 = hn::Load(d, panel);
    const V key1 = hn::Load(d, panel + lanes);
    HWY_UNROLL(6)
    for (std::size_t r = 0; r < kScoreRows; ++r) {
      const V query = hn::Set(d, queries[r * head_dim + c]);
      sum0[r] = hn::MulAdd(query, key0, sum0[r]);
      sum1[r] = hn::MulAdd(query, key1, sum1[r]);
    }
  }
  for (std::size_t r = 0; r < kScoreRows; ++r) {
    hn::Store(sum0[r], d, scores + r * kKeyBlock);
    hn::Store(sum1[r], d, scores + r * kKeyBlock + lanes);
  }
}

void Scores(const HeadTask& task, const Workspace& w, std::size_t first_key, std::size_t keys, std::size_t rows) {
  const std::size_t width = 2 * hn::Lanes(D());
  for (std::size_t column = 0; column < keys; column += width) {
    const float* panel = w.keys + (first_key + column) * task.head_dim;
    for (std::size_t row = 0; row < rows; row += kScoreRows) {
      ScoreTile(w.queries + row * task.head_dim, panel, task.head_dim, w.scores + row * kKeyBlock + column);
    }
  }
}

/// scores += bias_scale · bias[j − i], `bias` pointing at the first key's distance.
void AddBias(const float* bias, float bias_scale, std::size_t keys, float* scores) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const V scale = hn::Set(d, bias_scale);
  std::size_t j = 0;
  for (; j + lanes <= keys; j += lanes) {
    hn::Store(hn::MulAdd(scale, hn::LoadU(d, bias + j), hn::Load(d, scores + j)), d, scores + j);
  }
  for (; j < keys; ++j) scores[j] += bias_scale * bias[j];
}

/// The keys of a block that a row sees, [begin, end) within the block.
struct Visible {
  std::size_t begin;
  std::size_t end;
};

Visible VisibleKeys(const HeadTask& task, std::size_t row, std::size_t first_key, std::size_t keys) {
  const std::size_t lowest = row > task.reach_back ? row - task.reach_back : 0;
  const std::size_t highest = std::min(task.length, row + task.reach_ahead + 1);
  const std::size_t begin = lowest > first_key ? std::min(lowest - first_key, keys) : 0;
  const std::size_t end = highest > first_key ? std::min(highest - first_key, keys) : 0;
  return {begin, std::max(begin, end)};
}

/// e^x for x ≤ 0, as 2^(x·log₂e): what the product rounds off matters only where e^x is small, so the argument needs no
/// reduction in two parts. Below 2⁻¹²⁵ it is 2⁻¹²⁵; NaN stays NaN. The polynomial is the minimax approximation of 2^r
/// of degree 6 on [−½, ½], relative error 2e-9.
HWY_INLINE V ExpOfNegative(V x) {
  const D d;
  const hn::RebindToSigned<D> di;
  const V binary = hn::Mul(x, hn::Set(d, kLog2E));
  const V lowest = hn::Set(d, -125.0F);
  const V clamped = hn::IfThenElse(hn::Lt(binary, lowest), lowest, binary);
  const auto whole = hn::NearestInt(clamped);
  const V r = hn::Sub(clamped, hn::ConvertTo(d, whole));
  V power = hn::Set(d, 1.53458116e-4F);
  power = hn::MulAdd(power, r, hn::Set(d, 1.33999312e-3F));
  power = hn::MulAdd(power, r, hn::Set(d, 9.61848896e-3F));
  power = hn::MulAdd(power, r, hn::Set(d, 5.55032878e-2F));
  power = hn::MulAdd(power, r, hn::Set(d, 0.240226469F));
  power = hn::MulAdd(power, r, hn::Set(d, 0.693147206F));
  power = hn::MulAdd(power, r, hn::Set(d, 1.0F));
  return hn::Mul(power, hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(whole, hn::Set(di, 127)))));
}

/// Turns a row's scores into exp(score − largest so far), those of keys that it does not see into 0; returns the factor
/// for what was summed before.
float SoftmaxRow(Visible visible, std::size_t keys, float* HWY_RESTRICT scores, float& largest, float& sum) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t padded = round_up(keys, lanes);
  if (visible.begin == visible.end) {
    std::memset(scores, 0, padded * sizeof(float));
    return 1.0F;
  }
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  for (std::size_t j = 0; j < visible.begin; ++j) scores[j] = kHidden;
  for (std::size_t j = visible.end; j < padded; ++j) scores[j] = kHidden;
  V vector_max = hn::Load(d, scores);
  for (std::size_t j = lanes; j < padded; j += lanes) vector_max = hn::Max(vector_max, hn::Load(d, scores + j));
  const float block_max = hn::GetLane(hn::MaxOfLanes(d, vector_max));
  const float new_max = std::max(largest, block_max);
  const V shift = hn::Set(d, new_max);
  V vector_sum = hn::Zero(d);
  for (std::size_t j = 0; j < padded; j += lanes) {
    const V p = ExpOfNegative(hn::Sub(hn::Load(d, scores + j), shift));
    hn::Store(p, d, scores + j);
    vector_sum = hn::Add(vector_sum, p);
  }
  std::fill_n(scores, visible.begin, 0.0F);
  std::fill_n(scores + visible.end, padded - visible.end, 0.0F);
  const bool first = sum == 0.0F;
  const float correction = first ? 1.0F : std::exp(largest - new_max);
  sum = sum * correction + hn::GetLane(hn::SumOfLanes(d, vector_sum));
  largest = new_max;
  return correction;
}

/// O[kRows rows, kVectors vectors] += P V over `keys` keys.
template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void ValueTile(const float* HWY_RESTRICT weights, const float* HWY_RESTRICT strip, std::size_t keys,
                          std::size_t padded_dim, float* HWY_RESTRICT output) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  V sum[kRows][kVectors];
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::Load(d, output + r * padded_dim + v * lanes);
  }
  for (std::size_t j = 0; j < keys; ++j, strip += kVectors * lanes) {
    V value[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) value[v] = hn::LoadU(d, strip + v * lanes);
    HWY_UNROLL(6)
    for (std::size_t r = 0; r < kRows; ++r) {
      const V weight = hn::Set(d, weights[r * kKeyBlock + j]);
      HWY_UNROLL(4)
      for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(weight, value[v], sum[r][v]);
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) hn::Store(sum[r][v], d, output + r * padded_dim + v * lanes);
  }
}

template <std::size_t kRows, std::size_t kVectors>
void ValueStrip(const Workspace& w, const float* strip, std::size_t keys, std::size_t rows, float* output) {
  for (std::size_t row = 0; row < rows; row += kRows) {
    ValueTile<kRows, kVectors>(w.scores + row * kKeyBlock, strip, keys, w.padded_dim, output + row * w.padded_dim);
  }
}

void Values(const HeadTask& task, const Workspace& w, std::size_t first_key, std::size_t keys, std::size_t rows) {
  const std::size_t lanes = hn::Lanes(D());
  const float* packed = w.values;
  for (std::size_t first = 0; first < w.padded_dim / lanes; first += 4) {
    const std::size_t vectors = StripVectors(w.padded_dim, first);
    const float* strip = packed + first_key * vectors * lanes;
    float* output = w.output + first * lanes;
    switch (vectors) {
      case 4: ValueStrip<3, 4>(w, strip, keys, rows, output); break;
      case 3: ValueStrip<3, 3>(w, strip, keys, rows, output); break;
      case 2: ValueStrip<6, 2>(w, strip, keys, rows, output); break;
      default: ValueStrip<6, 1>(w, strip, keys, rows, output); break;
    }
    packed += task.length * vectors * lanes;
  }
}

void ScaleRow(float factor, std::size_t padded_dim, float* row) {
  const D d;
  const V vector_factor = hn::Set(d, factor);
  for (std::size_t c = 0; c < padded_dim; c += hn::Lanes(d)) {
    hn::Store(hn::Mul(vector_factor, hn::Load(d, row + c)), d, row + c);
  }
}

void AddBiases(const HeadTask& task, std::size_t row, std::size_t first_key, std::size_t keys, float* scores) {
  const float scale = task.logit_scales[row];
  if (task.bias != nullptr) {
    const auto distance = static_cast<std::ptrdiff_t>(first_key) - static_cast<std::ptrdiff_t>(row);
    AddBias(task.bias + distance, task.temper_bias ? scale : 1.0F, keys, scores);
  }
  if (task.logit_bias != nullptr) {
    task.logit_bias->add(task.sequence, task.head, static_cast<std::int64_t>(row), static_cast<std::int64_t>(first_key),
                         scale, {scores, keys});
  }
}

void AttendKeys(const HeadTask& task, const Workspace& w, std::size_t first_row, std::size_t rows,
                std::size_t first_key, std::size_t keys) {
  Scores(task, w, first_key, keys, rows);
  for (std::size_t row = 0; row < rows; ++row) {
    float* scores = w.scores + row * kKeyBlock;
    AddBiases(task, first_row + row, first_key, keys, scores);
    const Visible visible = VisibleKeys(task, first_row + row, first_key, keys);
    const float correction = SoftmaxRow(visible, keys, scores, w.largest[row], w.sum[row]);
    if (correction != 1.0F) ScaleRow(correction, w.padded_dim, w.output + row * w.padded_dim);
  }
  Values(task, w, first_key, keys, rows);
}

void AttendBlock(const HeadTask& task, const Workspace& w, std::size_t first_row, std::size_t rows) {
  ScaleQueries(task, first_row, rows, w.queries);
  std::fill_n(w.output, kQueryRows * w.padded_dim, 0.0F);
  std::fill_n(w.largest, kQueryRows, -std::numeric_limits<float>::infinity());
  std::fill_n(w.sum, kQueryRows, 0.0F);
  // Keys that no row of the block sees are not touched; blocks begin where a panel of keys does.
  const KeyRange seen = keys_seen(task, first_row, rows);
  for (std::size_t key = seen.begin - seen.begin % (2 * kMaxLanes); key < seen.end; key += kKeyBlock) {
    AttendKeys(task, w, first_row, rows, key, std::min(kKeyBlock, seen.end - key));
  }
  for (std::size_t row = 0; row < rows; ++row) {
    float* output = w.output + row * w.padded_dim;
    ScaleRow(1.0F / w.sum[row], w.padded_dim, output);
    CopyPadded(output, task.head_dim, task.head_dim, task.out + (first_row + row) * task.out_stride);
  }
}

void AttendHead(const HeadTask& task) {
  const Workspace w = divide(task);
  PackKeys(task, w.keys);
  PackValues(task, w.padded_dim, w.values);
  for (std::size_t row = 0; row < task.length; row += kQueryRows) {
    AttendBlock(task, w, row, std::min(kQueryRows, task.length - row));
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace treble {

namespace simd {
HWY_EXPORT(AttendHead);

// The table of functions can only be named from the namespace that exports it.
auto attend_head() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(AttendHead);
}
}  // namespace simd

namespace {

void check_heads(const AttentionInputs& in, std::int64_t tokens) {
  const bool divides =
      in.num_heads >= 1 && in.num_kv_heads >= 1 && in.num_heads % in.num_kv_heads == 0 && in.q.cols % in.num_heads == 0;
  const auto scales = static_cast<std::int64_t>(in.logit_scales.size());
  if (!divides || scales != tokens * in.num_heads || in.reach_back < 0 || in.reach_ahead < 0) {
    fail(ErrorCode::internal, "attention: {} heads on {}, {} columns, {} tokens, {} logit scales, reach {} and {}",
         in.num_heads, in.num_kv_heads, in.q.cols, tokens, scales, in.reach_back, in.reach_ahead);
  }
}

void check_matrix(ConstMatrixView view, std::int64_t rows, std::int64_t cols) {
  if (view.rows == rows && view.cols == cols) return;
  fail(ErrorCode::internal, "attention: expected [{}, {}], got [{}, {}]", rows, cols, view.rows, view.cols);
}

void check_shapes(const AttentionInputs& in, MatrixView out) {
  const std::int64_t tokens = in.offsets.back();
  check_heads(in, tokens);
  const std::int64_t kv_width = in.num_kv_heads * in.head_dim();
  check_matrix(in.q, tokens, in.q.cols);
  check_matrix(in.k, tokens, kv_width);
  check_matrix(in.v, tokens, kv_width);
  check_matrix(out, tokens, in.q.cols);
  if (in.bias_reach == 0) return;
  check_matrix(in.position_bias, in.num_heads, 2 * in.bias_reach - 1);
  for (std::size_t s = 0; s + 1 < in.offsets.size(); ++s) {
    const std::int64_t length = in.offsets[s + 1] - in.offsets[s];
    if (length > in.bias_reach) {
      fail(ErrorCode::internal, "attention: a sequence of {} tokens, the position bias reaches {}", length,
           in.bias_reach);
    }
  }
}

simd::HeadTask head_task(const AttentionInputs& in, MatrixView out, std::int64_t sequence, std::int64_t head) {
  const auto s = static_cast<std::size_t>(sequence);
  const std::int64_t begin = in.offsets[s];
  const std::int64_t column = head * in.head_dim();
  const std::int64_t kv_column = head / (in.num_heads / in.num_kv_heads) * in.head_dim();
  simd::HeadTask task;
  task.q = in.q.row(begin) + column;
  task.k = in.k.row(begin) + kv_column;
  task.v = in.v.row(begin) + kv_column;
  task.out = out.row(begin) + column;
  task.q_stride = static_cast<std::size_t>(in.q.stride);
  task.k_stride = static_cast<std::size_t>(in.k.stride);
  task.v_stride = static_cast<std::size_t>(in.v.stride);
  task.out_stride = static_cast<std::size_t>(out.stride);
  task.length = static_cast<std::size_t>(in.offsets[s + 1] - begin);
  task.head_dim = static_cast<std::size_t>(in.head_dim());
  task.qk_scale = in.qk_scale;
  task.logit_scales = in.logit_scales.data() + head * in.q.rows + begin;
  task.reach_back = static_cast<std::size_t>(in.reach_back);
  task.reach_ahead = static_cast<std::size_t>(in.reach_ahead);
  if (in.bias_reach > 0) task.bias = in.position_bias.row(head) + in.bias_reach - 1;
  task.temper_bias = in.temper_position_bias;
  task.logit_bias = in.logit_bias;
  task.sequence = sequence;
  task.head = head;
  return task;
}

}  // namespace

void attention(const Execution& execution, const AttentionInputs& inputs, std::vector<AttentionScratch>& scratch,
               MatrixView out) {
  check_shapes(inputs, out);
  if (scratch.size() < static_cast<std::size_t>(execution.threads())) {
    scratch.resize(static_cast<std::size_t>(execution.threads()));
  }
  const auto num_sequences = static_cast<std::int64_t>(inputs.offsets.size()) - 1;
  const bool bfloat16 = inputs.bfloat16 && simd::suits_bfloat16(inputs);
  const auto attend_head = bfloat16 ? &simd::attend_head_bfloat16 : simd::attend_head();
  const auto scratch_floats = bfloat16 ? &simd::bfloat16_scratch_floats : &simd::head_scratch_floats;
  const auto run = [&](std::int64_t index, int worker) {
    simd::HeadTask task = head_task(inputs, out, index / inputs.num_heads, index % inputs.num_heads);
    if (task.length == 0) return;
    task.scratch = scratch[static_cast<std::size_t>(worker)].ensure(scratch_floats(task.length, task.head_dim));
    attend_head(task);
  };
  const std::int64_t tasks = num_sequences * inputs.num_heads;
  if (execution.pool != nullptr) {
    execution.pool->parallel_for(tasks, run);
  } else {
    for (std::int64_t index = 0; index < tasks; ++index) run(index, 0);
  }
}

}  // namespace treble
#endif  // HWY_ONCE
