// The selective scan of a chunk by matrix products (SSD; Dao & Gu, arXiv 2405.21060, section 6). With s_t the sum of
// the first t logarithms of α, x'_j = insert · Δ_j x_j and h the state before the chunk:
//   y_t = e^{s_t} (C_t h) + Σ_{j ≤ t} (C_t · B_j) e^{s_t − s_j} x'_j + d x_t
//   h ← e^{s_Q} h + Σ_j B_jᵀ (e^{s_Q − s_j} x'_j)
// B, C and their products serve all heads of a group; what differs from head to head stands in the exponentials.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_SCAN_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_SCAN_PRODUCTS_INL_H_
#undef TREBLE_SIMD_SCAN_PRODUCTS_INL_H_
#else
#define TREBLE_SIMD_SCAN_PRODUCTS_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "kernels/simd/exp-inl.h"
#include "kernels/simd/scan_head.h"
#include "kernels/simd/scan_tile-inl.h"
#include "kernels/simd/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

/// B, row by row; zeros behind the last token and the last column.
void PackB(const ScanHead& head) {
  const ScanBuffers& w = head.chunk->buffers;
  const std::size_t length = head.chunk->length;
  for (std::size_t token = 0; token < length; ++token) {
    float* row = w.b + token * w.padded_state;
    std::copy_n(head.b(token), head.state_size, row);
    std::fill(row + head.state_size, row + w.padded_state, 0.0F);
  }
  std::fill(w.b + length * w.padded_state, w.b + round_up(length, kScanRows) * w.padded_state, 0.0F);
}

/// C, transposed; zeros behind the last token.
void PackC(const ScanHead& head) {
  const ScanBuffers& w = head.chunk->buffers;
  const std::size_t length = head.chunk->length;
  const auto stride = static_cast<std::size_t>(head.chunk->inputs->c.stride);
  std::size_t token = 0;
  for (; token + 4 <= length && head.state_size % 4 == 0; token += 4) {
    for (std::size_t n = 0; n < head.state_size; n += 4) {
      TransposeFour(head.c(token) + n, stride, w.c + n * kTokenStride + token, kTokenStride);
    }
  }
  for (; token < round_up(length, kScanLanes); ++token) {
    for (std::size_t n = 0; n < head.state_size; ++n) {
      w.c[n * kTokenStride + token] = token < length ? head.c(token)[n] : 0.0F;
    }
  }
}

/// scores[j][t] = B_j · C_t for t ≥ j, and some before.
void ComputeScores(const ScanHead& head) {
  const ScanBuffers& w = head.chunk->buffers;
  const D d;
  const std::size_t columns = round_up(head.chunk->length, kScanLanes);
  for (std::size_t j = 0; j < head.chunk->length; j += kTile) {
    ForEachColumns(j - j % kScanLanes, columns, [&](auto vectors, std::size_t t) HWY_ATTR {
      constexpr std::size_t kVectors = decltype(vectors)::value;
      Tile<kVectors> sum;
      ForEachSum<kVectors>(sum, [&](V& one, std::size_t, std::size_t) HWY_ATTR { one = hn::Zero(d); });
      AddProducts<kVectors>({w.b + j * w.padded_state, w.padded_state, 1, w.c + t, kTokenStride}, head.state_size, sum);
      ForEachSum<kVectors>(sum, [&](V& one, std::size_t r, std::size_t v) HWY_ATTR {
        hn::Store(one, d, w.scores + (j + r) * kTokenStride + t + v * hn::Lanes(d));
      });
    });
  }
}

/// What is the same for the heads of a group.
void PrepareGroup(const ScanHead& head) {
  PackB(head);
  PackC(head);
  ComputeScores(head);
}

/// e^x, or 0 where that is negligible.
HWY_INLINE V Decay(V x) {
  const D d;
  // Above 0 stand only the numbers of tokens that are not used.
  const V bounded = ClampMax(hn::Zero(d), x);
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, static_cast<float>(kMinLogDecay))), ExpOfNegative(bounded));
}

/// log_decay, decay and decay_to_end. A sum of logarithms is kept as two floats, so that differences of large sums have
/// all their digits.
void ComputeDecays(const ScanHead& head) {
  const ScanBuffers& w = head.chunk->buffers;
  const D d;
  const std::size_t length = head.chunk->length;
  const std::size_t padded = round_up(length, kScanLanes);
  double sum = 0;
  for (std::size_t token = 0; token < padded; ++token) {
    if (token < length) sum += head.log_decay(head.step(token));
    w.log_decay[token] = static_cast<float>(sum);
    w.log_decay_rest[token] = static_cast<float>(sum - double{w.log_decay[token]});
  }
  const V end = hn::Set(d, w.log_decay[length - 1]);
  const V end_rest = hn::Set(d, w.log_decay_rest[length - 1]);
  for (std::size_t token = 0; token < padded; token += hn::Lanes(d)) {
    const V sums = hn::Load(d, w.log_decay + token);
    const V rests = hn::Load(d, w.log_decay_rest + token);
    hn::Store(Decay(hn::Add(sums, rests)), d, w.decay + token);
    hn::Store(Decay(hn::Add(hn::Sub(end, sums), hn::Sub(end_rest, rests))), d, w.decay_to_end + token);
  }
}

/// weights[j][t] = scores[j][t] · e^{s_t − s_j} for t ≥ j, and some before.
void ComputeWeights(const ScanHead& head) {
  const ScanBuffers& w = head.chunk->buffers;
  const D d;
  const std::size_t padded = round_up(head.chunk->length, kScanLanes);
  for (std::size_t j = 0; j < head.chunk->length; ++j) {
    const V start = hn::Set(d, w.log_decay[j]);
    const V start_rest = hn::Set(d, w.log_decay_rest[j]);
    for (std::size_t t = j - j % kScanLanes; t < padded; t += hn::Lanes(d)) {
      const V sums = hn::Sub(hn::Load(d, w.log_decay + t), start);
      const V rests = hn::Sub(hn::Load(d, w.log_decay_rest + t), start_rest);
      const V score = hn::Load(d, w.scores + j * kTokenStride + t);
      hn::Store(hn::Mul(score, Decay(hn::Add(sums, rests))), d, w.weights + j * kTokenStride + t);
    }
  }
}

/// sum[t][v] += Σ_{t ≥ j} weights[j][t] x'_j over the tile's own tokens. What comes after a token is never multiplied
/// by zero, which would not be enough to hide that it is infinite or NaN.
template <std::size_t kVectors>
HWY_INLINE void AddDiagonal(const ScanHead& head, std::size_t t, std::size_t p, Tile<kVectors>& sum) {
  const ScanBuffers& w = head.chunk->buffers;
  const D d;
  HWY_UNROLL(8)
  for (std::size_t j = 0; j < kTile; ++j) {
    if (t + j >= head.chunk->length) break;
    const float* HWY_RESTRICT weights = w.weights + (t + j) * kTokenStride + t;
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const V inserted = hn::Load(d, w.inserted + (t + j) * w.padded_dim + p + v * hn::Lanes(d));
      HWY_UNROLL(8)
      for (std::size_t r = 0; r < kTile; ++r) {
        if (r >= j) sum[r][v] = hn::MulAdd(hn::Set(d, weights[r]), inserted, sum[r][v]);
      }
    }
  }
}

/// y of kTile tokens from `t` and kVectors vectors of columns from `p`.
template <std::size_t kVectors>
void OutputTile(const ScanHead& head, std::size_t t, std::size_t p) {
  const ScanBuffers& w = head.chunk->buffers;
  const D d;
  Tile<kVectors> sum;
  ForEachSum<kVectors>(sum, [&](V& one, std::size_t, std::size_t) HWY_ATTR { one = hn::Zero(d); });
  if (!head.chunk->from_zero) {
    AddProducts<kVectors>({w.c + t, 1, kTokenStride, head.state + p, head.chunk->state_stride}, head.state_size, sum);
    ForEachSum<kVectors>(
        sum, [&](V& one, std::size_t r, std::size_t) HWY_ATTR { one = hn::Mul(one, hn::Set(d, w.decay[t + r])); });
  }
  AddProducts<kVectors>({w.weights + t, 1, kTokenStride, w.inserted + p, w.padded_dim}, t, sum);
  AddDiagonal<kVectors>(head, t, p, sum);
  const V skip = hn::Set(d, head.skip);
  ForEachSum<kVectors>(sum, [&](V& one, std::size_t r, std::size_t v) HWY_ATTR {
    if (t + r >= head.chunk->length) return;
    const std::size_t column = p + v * hn::Lanes(d);
    const std::size_t count = head.head_dim - column;
    const V x = LoadColumns(head.x(t + r) + column, count);
    StoreColumns(hn::MulAdd(skip, x, one), head.y(t + r) + column, count);
  });
}

/// kTile rows from `n` and kVectors vectors of columns from `p` of the state; `inserted` already holds what is left of
/// each token at the end.
template <std::size_t kVectors>
void StateTile(const ScanHead& head, std::size_t n, std::size_t p) {
  const ScanBuffers& w = head.chunk->buffers;
  const D d;
  const std::size_t length = head.chunk->length;
  const V decay = hn::Set(d, w.decay[length - 1]);
  float* state = head.state + n * head.chunk->state_stride + p;
  const auto place = [&](std::size_t r, std::size_t v)
                         HWY_ATTR { return state + r * head.chunk->state_stride + v * hn::Lanes(d); };
  Tile<kVectors> sum;
  ForEachSum<kVectors>(sum, [&](V& one, std::size_t r, std::size_t v) HWY_ATTR {
    const bool is_zero = head.chunk->from_zero || n + r >= head.state_size;
    one = is_zero ? hn::Zero(d) : hn::Mul(decay, hn::LoadU(d, place(r, v)));
  });
  AddProducts<kVectors>({w.b + n, 1, w.padded_state, w.inserted + p, w.padded_dim}, length, sum);
  ForEachSum<kVectors>(sum, [&](V& one, std::size_t r, std::size_t v) HWY_ATTR {
    if (n + r < head.state_size) hn::StoreU(one, d, place(r, v));
  });
}

HWY_INLINE void PrefetchRow(const float* row, std::size_t count) {
  for (std::size_t c = 0; c < count; c += kCacheLine / sizeof(float)) hwy::Prefetch(row + c);
}

/// x'. Rows lie pages apart, where CPUs do not foresee what is read next: the output's rows and those of the next
/// head's x are fetched for when they are needed.
void InsertTokens(const ScanHead& head) {
  const ScanBuffers& w = head.chunk->buffers;
  const bool has_next = head.index + 1 < head.chunk->heads.end;
  for (std::size_t t = 0; t < head.chunk->length; ++t) {
    const float* x = head.x(t);
    InsertRow(x, head.head_dim, head.chunk->inputs->insert * head.step(t), w.inserted + t * w.padded_dim);
    PrefetchRow(head.y(t), head.head_dim);
    if (has_next) PrefetchRow(x + head.head_dim, head.head_dim);
  }
}

void MultiplyHead(const ScanHead& head) {
  const ScanChunk& chunk = *head.chunk;
  const ScanBuffers& w = chunk.buffers;
  const std::size_t width = round_up(head.head_dim, hn::Lanes(D()));
  ComputeDecays(head);
  ComputeWeights(head);
  InsertTokens(head);
  for (std::size_t t = 0; t < chunk.length; t += kTile) {
    ForEachColumns(0, width,
                   [&](auto vectors, std::size_t p) HWY_ATTR { OutputTile<decltype(vectors)::value>(head, t, p); });
  }
  if (!chunk.keep_states) return;
  for (std::size_t t = 0; t < chunk.length; ++t) {
    float* row = w.inserted + t * w.padded_dim;
    InsertRow(row, w.padded_dim, w.decay_to_end[t], row);
  }
  for (std::size_t n = 0; n < head.state_size; n += kTile) {
    ForEachColumns(0, width,
                   [&](auto vectors, std::size_t p) HWY_ATTR { StateTile<decltype(vectors)::value>(head, n, p); });
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
