// What one chunk of one sequence needs for some heads; shared by the instruction sets that selective_scan.cc is
// compiled for, and by the loop over the chunks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/round_up.h"
#include "kernels/selective_scan.h"
#include "kernels/simd/scratch_arena.h"

namespace treble::internal::simd {

/// Rows of the scratch arrays are padded to the widest vector (16 floats), and what is broadcast to the tallest tile.
inline constexpr std::size_t kScanLanes = 16;
inline constexpr std::size_t kScanRows = 8;
inline constexpr auto kMaxScanChunk = static_cast<std::size_t>(kScanChunk);
/// From a row of as many tokens as a chunk has to the next. An odd number of cache lines, as is `padded_state`: a tile
/// reads one line of each row, and those at powers of two apart would share a few sets of the first-level cache.
inline constexpr std::size_t kTokenStride = kMaxScanChunk + kScanLanes;
static_assert(kTokenStride / kScanLanes % 2 == 1);

/// Arrays of a thread. What is said of a token is about the tokens of the chunk.
struct ScanBuffers {
  // Of a group:
  float* b;       ///< [kScanChunk, padded_state]
  float* c;       ///< [state_size, kTokenStride]: C, transposed
  float* scores;  ///< [kScanChunk, kTokenStride]: B Cᵀ, so that a row is of one B and all C
  // Of a head:
  float* weights;   ///< [kScanChunk, kTokenStride]: scores times what is left of token j at token t
  float* inserted;  ///< [kScanChunk, padded_dim]: insert · Δ_t x_t
  /// [kScanChunk], the logarithm of what the first tokens up to and including t leave of the state before the chunk,
  /// and what float32 rounds off it.
  float* log_decay;
  float* log_decay_rest;
  float* decay;         ///< [kScanChunk], its exponential
  float* decay_to_end;  ///< [kScanChunk], what is left of token t after the last
  float* row;           ///< [padded_dim]
  std::size_t padded_state;
  std::size_t padded_dim;
};

inline ScanBuffers take_scan_buffers(ScratchArena& arena, const ScanInputs& inputs) {
  const auto state_size = static_cast<std::size_t>(inputs.state_size());
  ScanBuffers w{};
  w.padded_state = round_up(state_size + kScanLanes, 2 * kScanLanes) - kScanLanes;
  w.padded_dim = round_up(static_cast<std::size_t>(inputs.head_dim()), kScanLanes);
  w.b = arena.take<float>(kMaxScanChunk * w.padded_state);
  w.c = arena.take<float>(state_size * kTokenStride);
  w.scores = arena.take<float>(kMaxScanChunk * kTokenStride);
  w.weights = arena.take<float>(kMaxScanChunk * kTokenStride);
  w.inserted = arena.take<float>(kMaxScanChunk * w.padded_dim);
  for (float** values : {&w.log_decay, &w.log_decay_rest, &w.decay, &w.decay_to_end}) {
    *values = arena.take<float>(kMaxScanChunk);
  }
  w.row = arena.take<float>(w.padded_dim);
  return w;
}

/// Heads [begin, end).
struct HeadRange {
  std::int64_t begin;
  std::int64_t end;
};

struct ScanChunk {
  const ScanInputs* inputs;
  MatrixView y;
  ScanBuffers buffers;
  HeadRange heads;
  std::int64_t first_token;  ///< a row of the inputs
  std::size_t length;        ///< tokens, 1 … kScanChunk
  /// Of the first head: [state_size, head_dim], rows `state_stride` apart, which is a multiple of kScanLanes.
  float* states;
  std::size_t head_stride;  ///< from a head's state to the next one's
  std::size_t state_stride;
  bool from_zero;    ///< `states` holds nothing: all are zero
  bool keep_states;  ///< else they may be left as they are
};

using ScanChunkFunction = void (*)(const ScanChunk&);

/// The kernel for this CPU.
ScanChunkFunction scan_chunk();

}  // namespace treble::internal::simd
