// One head of a chunk; shared by the instruction sets that selective_scan.cc is compiled for.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/simd/scan_chunk.h"

namespace treble::internal::simd {

/// A smaller logarithm of what is left of a state counts as nothing left: e⁻⁶⁴ is far below what float32 can add to
/// anything, and products of smaller numbers would be subnormal, which CPUs take a hundred times longer for.
inline constexpr double kMinLogDecay = -64;

struct ScanHead {
  ScanHead(const ScanChunk& chunk_in, std::int64_t head) : chunk(&chunk_in) {
    const ScanInputs& in = *chunk_in.inputs;
    const auto h = static_cast<std::size_t>(head);
    index = head;
    group = head / (in.num_heads / in.num_groups);
    state_size = static_cast<std::size_t>(in.state_size());
    head_dim = static_cast<std::size_t>(in.head_dim());
    state = chunk_in.states + static_cast<std::size_t>(head - chunk_in.heads.begin) * chunk_in.head_stride;
    a = in.a[h];
    skip = in.d.empty() ? 0.0F : in.d[h];
    if (!in.max_norms.empty()) max_norm = in.max_norms[h];
  }

  bool is_limited() const noexcept { return max_norm != std::numeric_limits<float>::infinity(); }

  // Of a token of the chunk.
  const float* x(std::size_t token) const { return chunk->inputs->x.row(row(token)) + index * dim(); }
  float* y(std::size_t token) const { return chunk->y.row(row(token)) + index * dim(); }
  const float* b(std::size_t token) const { return chunk->inputs->b.row(row(token)) + group * states(); }
  const float* c(std::size_t token) const { return chunk->inputs->c.row(row(token)) + group * states(); }
  float step(std::size_t token) const { return chunk->inputs->step.row(row(token))[index]; }

  /// log α of a step, not below twice kMinLogDecay: sums of it stay finite. In double, as sums of large and small ones
  /// are subtracted from each other.
  double log_decay(float step) const {
    const double log_decay = double{step} * double{a} + double{chunk->inputs->log_retain};
    return log_decay < 2 * kMinLogDecay ? 2 * kMinLogDecay : log_decay;
  }

  /// α of a step.
  float decay(float step) const {
    const double logarithm = log_decay(step);
    return logarithm < kMinLogDecay ? 0.0F : static_cast<float>(std::exp(logarithm));
  }

  const ScanChunk* chunk;
  std::int64_t index;
  std::int64_t group;
  std::size_t state_size;
  std::size_t head_dim;
  float* state;
  float a;
  float skip;  ///< the head's D
  float max_norm = std::numeric_limits<float>::infinity();

 private:
  std::int64_t row(std::size_t token) const { return chunk->first_token + static_cast<std::int64_t>(token); }
  std::int64_t dim() const { return static_cast<std::int64_t>(head_dim); }
  std::int64_t states() const { return static_cast<std::int64_t>(state_size); }
};

}  // namespace treble::internal::simd
