// The selective scan step after step: states held to a norm, and chunks too short for the matrix products.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_SCAN_STEPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_SCAN_STEPS_INL_H_
#undef TREBLE_SIMD_SCAN_STEPS_INL_H_
#else
#define TREBLE_SIMD_SCAN_STEPS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "kernels/simd/scan_head.h"
#include "kernels/simd/scan_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

/// h ← retain · h + B ⊗ x and C h for kVectors vectors of columns; returns Σ h² where kSquares. `sums` holds x before
/// and C h after.
template <std::size_t kVectors, bool kSquares>
HWY_INLINE float StepColumns(const ScanHead& head, std::size_t token, float retain, float* HWY_RESTRICT state,
                             float* HWY_RESTRICT sums) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const float* HWY_RESTRICT b = head.b(token);
  const float* HWY_RESTRICT c = head.c(token);
  const V retained = hn::Set(d, retain);
  V x[kVectors];
  V y[kVectors];
  V squares[kVectors];
  HWY_UNROLL(4)
  for (std::size_t v = 0; v < kVectors; ++v) {
    x[v] = hn::Load(d, sums + v * lanes);
    y[v] = squares[v] = hn::Zero(d);
  }
  for (std::size_t n = 0; n < head.state_size; ++n, state += head.chunk->state_stride) {
    const V insert = hn::Set(d, b[n]);
    const V read = hn::Set(d, c[n]);
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const V h = hn::MulAdd(hn::LoadU(d, state + v * lanes), retained, hn::Mul(insert, x[v]));
      hn::StoreU(h, d, state + v * lanes);
      y[v] = hn::MulAdd(read, h, y[v]);
      if (kSquares) squares[v] = hn::MulAdd(h, h, squares[v]);
    }
  }
  V total = hn::Zero(d);
  HWY_UNROLL(4)
  for (std::size_t v = 0; v < kVectors; ++v) {
    hn::Store(y[v], d, sums + v * lanes);
    total = hn::Add(total, squares[v]);
  }
  return kSquares ? hn::GetLane(hn::SumOfLanes(d, total)) : 0.0F;
}

/// One step of all columns; Σ h².
template <bool kSquares>
float StepState(const ScanHead& head, std::size_t token, float retain) {
  constexpr std::size_t kVectors = 4;
  const std::size_t lanes = hn::Lanes(D());
  float squares = 0;
  std::size_t p = 0;
  for (; p + kVectors * lanes <= head.head_dim; p += kVectors * lanes) {
    squares += StepColumns<kVectors, kSquares>(head, token, retain, head.state + p, head.chunk->buffers.row + p);
  }
  for (; p < head.head_dim; p += lanes) {
    squares += StepColumns<1, kSquares>(head, token, retain, head.state + p, head.chunk->buffers.row + p);
  }
  return squares;
}

/// For squares that float32 cannot hold.
double ExactNorm(const ScanHead& head) {
  double squares = 0;
  for (std::size_t n = 0; n < head.state_size; ++n) {
    const float* row = head.state + n * head.chunk->state_stride;
    for (std::size_t p = 0; p < head.head_dim; ++p) squares += double{row[p]} * row[p];
  }
  return std::sqrt(squares);
}

/// What a state of Σ h² = `squares` is to be multiplied by.
float ScaleToNorm(const ScanHead& head, float squares) {
  constexpr float kMax = std::numeric_limits<float>::max();
  constexpr float kMin = std::numeric_limits<float>::min();
  const double norm = squares <= kMax && squares >= kMin ? std::sqrt(double{squares}) : ExactNorm(head);
  return norm > head.max_norm ? static_cast<float>(head.max_norm / norm) : 1.0F;
}

void ScaleState(const ScanHead& head, float scale) {
  const D d;
  const V factor = hn::Set(d, scale);
  for (std::size_t n = 0; n < head.state_size; ++n) {
    float* row = head.state + n * head.chunk->state_stride;
    for (std::size_t p = 0; p < head.head_dim; p += hn::Lanes(d)) {
      hn::StoreU(hn::Mul(factor, hn::LoadU(d, row + p)), d, row + p);
    }
  }
}

void StepHead(const ScanHead& head) {
  const ScanChunk& chunk = *head.chunk;
  const ScanInputs& in = *chunk.inputs;
  float* row = chunk.buffers.row;
  if (chunk.from_zero) std::fill_n(head.state, head.state_size * chunk.state_stride, 0.0F);
  // A state that is to become smaller does so in the next step, which spares a pass over it.
  float scale = 1;
  for (std::size_t token = 0; token < chunk.length; ++token) {
    const float step = head.step(token);
    InsertRow(head.x(token), head.head_dim, in.insert * step, row);
    const float retain = scale * head.decay(step);
    if (head.is_limited()) {
      scale = ScaleToNorm(head, StepState<true>(head, token, retain));
    } else {
      StepState<false>(head, token, retain);
    }
    const float* x = head.x(token);
    float* y = head.y(token);
    for (std::size_t p = 0; p < head.head_dim; ++p) y[p] = scale * row[p] + head.skip * x[p];
  }
  if (scale != 1.0F) ScaleState(head, scale);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
