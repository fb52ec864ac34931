// Attention of one head in tiles of 16 rows of 64 bytes, with GEMMs in bfloat16; written over the tiles (AmxTiles or
// PlainTiles) and over vectors of 16 floats (Avx512Lanes or PlainLanes).
//
// Queries are rows, so that keys alone are transposed; everything packed lies in whole tiles of 1 KiB:
//   queries  [tile of 16][head_dim / 32]        bfloat16, in units of log₂, once a block of queries
//   keys     [key / 16][head_dim / 32]          pairs of bfloat16, transposed, once a head
//   values   [key / 32][output tile of 16]      the same number of neighbouring keys side by side, once a head
//   scores   [tile][16 queries x 32 keys]       S = Q K^T, float32, two tiles a step of 32 keys
//   weights  [tile][16 queries x 32 keys]       P = 2^(S − shift), bfloat16
// O += P V stays in tiles 0 to 3 over all keys: 32 queries x 32 columns, or 16 x 64, a group. Wider heads have several
// groups: the first takes part in the pipeline, the others come when 16 steps of weights are there. Tiles 4 and 5 are
// scores, 6 and 7 operands. The pipeline: scores of a step are multiplied while the weights of the one before are
// computed and those of the one before that meet their values.
//
// Where |q| max|k| bounds a block's scores to ±60 nothing is subtracted, no maximum is sought and O is never rescaled.
// Else each query has a shift, its largest score in the first step that it sees, raised (and O rescaled) only by a
// score beyond shift + 16: all weights stay between 2⁻¹²⁵ and 2¹⁶.
//
// For files that define TREBLE_TILE_TARGET, what the functions are compiled for, before they include this.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numbers>
#include <utility>

#include "base/round_up.h"
#include "kernels/simd/amx_tiles.h"
#include "kernels/simd/attention_head.h"
#include "kernels/simd/scratch_arena.h"

namespace treble::internal::simd {

namespace {

/// 2⁶⁰ times 2¹⁵ keys times values below 2⁴⁰, and sums of 2⁻⁶⁰, are far from float32's ends.
constexpr float kScoreBound = 60;
constexpr float kValueBound = 0x1p40F;
/// Keys from which on the bound saves more than it costs (Emerald Rapids).
constexpr std::size_t kBoundedKeys = 65;
/// What a score may exceed its query's shift by.
constexpr float kHeadroom = 16;
/// Denormal weights would cost an assist each, up to seven times the kernel's time, and the polynomial of 2^−126 begins
/// a little below 1.
constexpr float kMinExponent = -125;
constexpr float kNoShift = std::numeric_limits<float>::lowest();
constexpr float kTileLog2E = std::numbers::log2e_v<float>;

constexpr std::size_t kStepKeys = 32;
constexpr std::size_t kTileNumbers = kTileBytes / 2;  ///< of bfloat16
constexpr std::size_t kTileFloats = kTileBytes / 4;
constexpr std::size_t kColumns = 32;  ///< of queries and keys in a tile
constexpr std::size_t kOutColumns = 16;

template <class Tiles, class Lanes, std::size_t kQueryTiles, typename T>
class TileAttention {
  static_assert(kQueryTiles == 1 || kQueryTiles == 2);
  static constexpr std::size_t kGroupTiles = 4 / kQueryTiles;  ///< output tiles of a group, for each query tile
  using Group = std::make_index_sequence<kGroupTiles>;
  using V = typename Lanes::V;
  using Mask = typename Lanes::Mask;

 public:
  explicit TileAttention(const BasicHeadTask<T>& task)
      : task_(task),
        steps_((task.num_keys + kStepKeys - 1) / kStepKeys),
        depth_((task.head_dim + kColumns - 1) / kColumns),
        out_tiles_(round_up(task.head_dim, kGroupTiles * kOutColumns) / kOutColumns),
        kept_steps_(out_tiles_ == kGroupTiles ? 2 : 16),
        may_bound_(task.num_keys >= kBoundedKeys && task.bias == nullptr) {
    place_arrays(*task.scratch, [&](ScratchArena& arena) {
      keys_ = arena.take<std::uint16_t>(steps_ * 2 * depth_ * kTileNumbers);
      values_ = arena.take<std::uint16_t>(steps_ * out_tiles_ * kTileNumbers);
      queries_ = arena.take<std::uint16_t>(kQueryTiles * depth_ * kTileNumbers);
      scores_ = arena.take<float>(2 * kQueryTiles * 2 * kTileFloats);
      weights_ = arena.take<std::uint16_t>(kept_steps_ * kQueryTiles * kTileNumbers);
      output_ = arena.take<float>(kQueryTiles * out_tiles_ * kTileFloats);
      sums_ = arena.take<float>(kQueryTiles * kTileFloats);
      return 0;
    });
  }

  /// The thread has configured its tiles.
  TREBLE_TILE_TARGET void run() {
    pack_keys();
    pack_values();
    for (first_ = 0; first_ < task_.length; first_ += rows_) {
      rows_ = std::min(kQueryTiles * kTileRows, task_.length - first_);
      tiles_ = (rows_ + kTileRows - 1) / kTileRows;
      if (pack_queries()) {
        attend<true>();
      } else {
        attend<false>();
      }
    }
  }

 private:
  /// Keys that are there, as columns; behind them zeros. Keys that no query attends to count as missing: what they hold
  /// never shows.
  TREBLE_TILE_TARGET void pack_keys() {
    alignas(64) std::uint16_t rows[kTileNumbers];
    V largest = Lanes::set(0);
    for (std::size_t key = 0; key < steps_ * kStepKeys; key += kTileRows) {
      V squares = Lanes::set(0);
      for (std::size_t d = 0; d < depth_; ++d) {
        const std::size_t column = d * kColumns;
        for (std::size_t r = 0; r < kTileRows; ++r) {
          if (key + r < task_.num_keys) {
            const T* from = task_.k + (key + r) * task_.k_stride + column;
            __builtin_prefetch(from + kTileRows * task_.k_stride);
            Lanes::store_row(from, task_.head_dim - column, rows + r * kColumns);
          } else {
            std::memset(rows + r * kColumns, 0, kTileRowBytes);
          }
        }
        std::uint16_t* tile = keys_ + (key / kTileRows * depth_ + d) * kTileNumbers;
        Lanes::transpose_pairs(rows, tile);
        for (std::size_t pair = 0; pair < kTileRows && may_bound_; ++pair) {
          squares = Lanes::add(Lanes::squares_of_pairs(tile + pair * kColumns), squares);
        }
      }
      // Where one is NaN it is passed over: a NaN shows by its score.
      largest = Lanes::max(squares, largest);
    }
    largest_key_ = Lanes::largest(largest);
  }

  TREBLE_TILE_TARGET void pack_values() {
    V largest = Lanes::set(0);
    for (std::size_t pair = 0; pair < steps_ * kTileRows; ++pair) {
      const std::size_t key = 2 * pair;
      const T* first = task_.v + key * task_.v_stride;
      for (std::size_t t = 0; t < out_tiles_; ++t) {
        const std::size_t column = t * kOutColumns;
        std::uint16_t* row = values_ + (pair / kTileRows * out_tiles_ + t) * kTileNumbers + pair % kTileRows * kColumns;
        if (key >= task_.num_keys || column >= task_.head_dim) {
          std::memset(row, 0, kTileRowBytes);
          continue;
        }
        const T* second = key + 1 < task_.num_keys ? first + task_.v_stride + column : nullptr;
        __builtin_prefetch(first + kTileRows * task_.v_stride + column);
        Lanes::store_pairs(first + column, second, task_.head_dim - column, row);
        if (may_bound_) largest = Lanes::max(Lanes::squares_of_pairs(row), largest);
      }
    }
    if (may_bound_ && !(Lanes::largest(largest) < kValueBound * kValueBound)) may_bound_ = false;
  }

  /// A block's queries, scaled so that scores are powers of 2; those that are not there are zeros. Whether all their
  /// scores are surely within the bound.
  TREBLE_TILE_TARGET bool pack_queries() {
    bool bounded = may_bound_;
    for (std::size_t r = 0; r < tiles_ * kTileRows; ++r) {
      V squares = Lanes::set(0);
      const std::size_t query = first_ + r;
      for (std::size_t d = 0; d < depth_; ++d) {
        std::uint16_t* row = queries_ + (r / kTileRows * depth_ + d) * kTileNumbers + r % kTileRows * kColumns;
        if (query >= task_.length) {
          std::memset(row, 0, kTileRowBytes);
          continue;
        }
        const float scale = task_.logit_scales[query] * task_.qk_scale * kTileLog2E;
        const T* from = task_.q + query * task_.q_stride + d * kColumns;
        Lanes::store_scaled(from, task_.head_dim - d * kColumns, scale, row);
        if (bounded) squares = Lanes::add(squares, Lanes::squares_of_pairs(row));
      }
      // Not where one is NaN.
      if (bounded) bounded = Lanes::sum(squares) * largest_key_ < kScoreBound * kScoreBound;
    }
    return bounded;
  }

  bool one_group() const { return out_tiles_ == kGroupTiles; }
  float* score_tile(std::size_t step, std::size_t tile, std::size_t half) const {
    return scores_ + ((step % 2 * kQueryTiles + tile) * 2 + half) * kTileFloats;
  }
  std::uint16_t* weight_tile(std::size_t step, std::size_t tile) const {
    return weights_ + (step % kept_steps_ * kQueryTiles + tile) * kTileNumbers;
  }
  float* output_tile(std::size_t tile, std::size_t column) const {
    return output_ + (tile * out_tiles_ + column) * kTileFloats;
  }

  /// S of a step and a query tile, into tiles 4 and 5; 5 is zero where the keys end before.
  TREBLE_TILE_TARGET void multiply_scores(std::size_t step, std::size_t tile) const {
    Tiles::template zero<4>();
    Tiles::template zero<5>();
    const bool both = step * kStepKeys + kTileRows < task_.num_keys;
    const std::uint16_t* queries = queries_ + tile * depth_ * kTileNumbers;
    const std::uint16_t* keys = keys_ + step * 2 * depth_ * kTileNumbers;
    for (std::size_t d = 0; d < depth_; ++d) {
      Tiles::template load<6>(queries + d * kTileNumbers, kTileRowBytes);
      Tiles::template load<7>(keys + d * kTileNumbers, kTileRowBytes);
      Tiles::template dot_bfloat16<4, 6, 7>();
      if (!both) continue;
      Tiles::template load<7>(keys + (depth_ + d) * kTileNumbers, kTileRowBytes);
      Tiles::template dot_bfloat16<5, 6, 7>();
    }
  }
  /// Apart from the products, and long after them: a store waits for its tile, and all that follows for the store.
  TREBLE_TILE_TARGET void store_scores(std::size_t step, std::size_t tile) const {
    Tiles::template store<4>(score_tile(step, tile, 0), kTileRowBytes);
    Tiles::template store<5>(score_tile(step, tile, 1), kTileRowBytes);
    if (task_.bias != nullptr) add_bias(step, tile);
  }

  /// The keys of a step that a query of the block attends to.
  std::uint32_t visible_bits(std::size_t step, std::size_t row) const {
    const std::size_t query = first_ + row;
    if (row >= rows_) return 0;
    const std::size_t key = step * kStepKeys;
    const std::size_t end = std::min(task_.num_keys, query + task_.window_right + 1);
    const std::size_t begin = query > task_.window_left ? query - task_.window_left : 0;
    const auto below = [key](std::size_t bound) {
      const std::size_t count = bound > key ? std::min(bound - key, kStepKeys) : 0;
      return (std::uint64_t{1} << count) - 1;
    };
    return static_cast<std::uint32_t>(below(end) & ~below(begin));
  }
  /// Whether every query of a tile attends to all keys of a step; else `seen_` says which.
  bool all_visible(std::size_t step, std::size_t tile) {
    const std::size_t row = tile * kTileRows;
    if (fully_visible(task_, first_ + row, std::min(kTileRows, rows_ - row), step * kStepKeys, kStepKeys)) return true;
    for (std::size_t r = row; r < row + kTileRows; ++r) seen_[r] = visible_bits(step, r);
    return false;
  }
  static Mask low_half(std::uint32_t bits) { return static_cast<Mask>(bits); }
  static Mask high_half(std::uint32_t bits) { return static_cast<Mask>(bits >> 16); }

  /// scores += bias[j − i], in units of log₂, where a query attends to the key.
  TREBLE_TILE_TARGET void add_bias(std::size_t step, std::size_t tile) const {
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const std::size_t row = tile * kTileRows + r;
      const std::uint32_t seen = visible_bits(step, row);
      if (seen == 0) continue;
      const std::size_t query = first_ + row;
      const V scale = Lanes::set(kTileLog2E * (task_.temper_bias ? task_.logit_scales[query] : 1.0F));
      const float* bias =
          task_.bias + (static_cast<std::ptrdiff_t>(step * kStepKeys) - static_cast<std::ptrdiff_t>(query));
      float* low = score_tile(step, tile, 0) + r * 16;
      float* high = score_tile(step, tile, 1) + r * 16;
      Lanes::store(Lanes::mul_add(scale, Lanes::load(bias, low_half(seen)), Lanes::load(low)), low);
      Lanes::store(Lanes::mul_add(scale, Lanes::load(bias + 16, high_half(seen)), Lanes::load(high)), high);
    }
  }

  /// The largest score of a step that a query attends to; kNoShift without one.
  TREBLE_TILE_TARGET float largest_score(std::size_t step, std::size_t row, std::uint32_t seen) const {
    const std::size_t offset = row % kTileRows * 16;
    const V none = Lanes::set(kNoShift);
    const V low = Lanes::load(score_tile(step, row / kTileRows, 0) + offset);
    const V high = Lanes::load(score_tile(step, row / kTileRows, 1) + offset);
    return Lanes::largest(
        Lanes::max(Lanes::select(low_half(seen), low, none), Lanes::select(high_half(seen), high, none)));
  }

  /// Gives the queries of a tile that have no shift their first, and raises shifts that a score exceeds by too much.
  TREBLE_TILE_TARGET void look_for_larger(std::size_t step, std::size_t tile, bool all) {
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const std::size_t row = tile * kTileRows + r;
      const std::uint32_t seen = all ? ~std::uint32_t{0} : seen_[row];
      if (shift_[row] != kNoShift) {
        const V limit = Lanes::set(shift_[row] + kHeadroom);
        const unsigned low = Lanes::greater(Lanes::load(score_tile(step, tile, 0) + r * 16), limit) & low_half(seen);
        const unsigned high = Lanes::greater(Lanes::load(score_tile(step, tile, 1) + r * 16), limit) & high_half(seen);
        if ((low | high) == 0) continue;
      }
      raise(row, largest_score(step, row, seen));
    }
  }
  /// What was summed before is rescaled; outputs later, all at once.
  TREBLE_TILE_TARGET void raise(std::size_t row, float shift) {
    const float before = std::exchange(shift_[row], shift);
    if (before == kNoShift) return;  // nothing was summed
    const float correction = std::exp2(std::max(kMinExponent, before - shift));
    float* sums = sums_ + row * 16;
    Lanes::store(Lanes::mul(Lanes::set(correction), Lanes::load(sums)), sums);
    correction_[row] *= correction;
    corrected_ = true;
  }

  /// Weights of half a tile's queries, from `begin`; adds to their sums.
  template <bool kBounded>
  TREBLE_TILE_TARGET void weigh(std::size_t step, std::size_t tile, std::size_t begin, bool all) const {
    const float* low_scores = score_tile(step, tile, 0) + begin * 16;
    const float* high_scores = score_tile(step, tile, 1) + begin * 16;
    std::uint16_t* weights = weight_tile(step, tile) + begin * kStepKeys;
    float* sums = sums_ + (tile * kTileRows + begin) * 16;
    const float* shifts = shift_ + tile * kTileRows + begin;
    const std::uint32_t* seen = seen_ + tile * kTileRows + begin;
    const V minimum = Lanes::set(kMinExponent);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kTileRows / 2; ++r) {
      V low = Lanes::load(low_scores + r * 16);
      V high = Lanes::load(high_scores + r * 16);
      if constexpr (!kBounded) {
        const V shift = Lanes::set(shifts[r]);
        low = Lanes::max(minimum, Lanes::sub(low, shift));
        high = Lanes::max(minimum, Lanes::sub(high, shift));
      }
      low = Lanes::exp2(low);
      high = Lanes::exp2(high);
      if (!all) {
        low = Lanes::select(low_half(seen[r]), low, Lanes::set(0));
        high = Lanes::select(high_half(seen[r]), high, Lanes::set(0));
      }
      Lanes::store_bfloat16(low, high, weights + r * kStepKeys);
      Lanes::store(Lanes::add(Lanes::load(sums + r * 16), Lanes::add(low, high)), sums + r * 16);
    }
  }

  /// O of a query tile += P V of a step, for the columns of a group.
  template <std::size_t kTile, std::size_t... kOut>
  TREBLE_TILE_TARGET void add_values(std::size_t step, std::size_t group, std::index_sequence<kOut...>) const {
    Tiles::template load<6>(weight_tile(step, kTile), kTileRowBytes);
    const std::uint16_t* values = values_ + (step * out_tiles_ + group * kGroupTiles) * kTileNumbers;
    ((Tiles::template load<7>(values + kOut * kTileNumbers, kTileRowBytes),
      Tiles::template dot_bfloat16<static_cast<int>(kTile * kGroupTiles + kOut), 6, 7>()),
     ...);
  }

  template <std::size_t kTile, std::size_t... kOut>
  TREBLE_TILE_TARGET void load_tile(std::size_t group, std::index_sequence<kOut...>) const {
    (Tiles::template load<static_cast<int>(kTile * kGroupTiles + kOut)>(output_tile(kTile, group * kGroupTiles + kOut),
                                                                        kTileRowBytes),
     ...);
  }
  template <std::size_t kTile, std::size_t... kOut>
  TREBLE_TILE_TARGET void store_tile(std::size_t group, std::index_sequence<kOut...>) const {
    (Tiles::template store<static_cast<int>(kTile * kGroupTiles + kOut)>(output_tile(kTile, group * kGroupTiles + kOut),
                                                                         kTileRowBytes),
     ...);
  }
  TREBLE_TILE_TARGET void load_group(std::size_t group) const {
    load_tile<0>(group, Group());
    if (tiles_ == 2) load_tile<kQueryTiles - 1>(group, Group());
  }
  TREBLE_TILE_TARGET void store_group(std::size_t group) const {
    store_tile<0>(group, Group());
    if (tiles_ == 2) store_tile<kQueryTiles - 1>(group, Group());
  }

  /// What the weights up to `end` still have to meet: the values of the step before it, and those of the groups that
  /// are not in tiles.
  TREBLE_TILE_TARGET void add_waiting_values(std::size_t end) {
    if (waiting_ == end) return;
    add_values<0>(end - 1, 0, Group());
    if (tiles_ == 2) add_values<kQueryTiles - 1>(end - 1, 0, Group());
    if (!one_group()) {
      store_group(0);
      for (std::size_t group = 1; group < out_tiles_ / kGroupTiles; ++group) {
        load_group(group);
        for (std::size_t step = waiting_; step < end; ++step) add_values<0>(step, group, Group());
        store_group(group);
      }
      load_group(0);
    }
    waiting_ = end;
  }

  TREBLE_TILE_TARGET void rescale_output() {
    store_group(0);
    for (std::size_t row = 0; row < tiles_ * kTileRows; ++row) {
      const V correction = Lanes::set(std::exchange(correction_[row], 1.0F));
      for (std::size_t t = 0; t < out_tiles_; ++t) {
        float* output = output_tile(row / kTileRows, t) + row % kTileRows * 16;
        Lanes::store(Lanes::mul(correction, Lanes::load(output)), output);
      }
    }
    load_group(0);
    corrected_ = false;
  }

  template <bool kBounded>
  void begin_block(std::size_t first_step) {
    std::fill_n(sums_, tiles_ * kTileFloats, 0.0F);
    std::fill_n(shift_, kQueryTiles * kTileRows, kBounded ? 0.0F : kNoShift);
    std::fill_n(correction_, kQueryTiles * kTileRows, 1.0F);
    corrected_ = false;
    waiting_ = first_step;
  }

  template <bool kBounded>
  TREBLE_TILE_TARGET void attend() {
    const KeyRange visible = visible_keys(task_, first_, rows_);
    const std::size_t first_step = visible.begin / kStepKeys;
    begin_block<kBounded>(first_step);
    const bool any = visible.begin < visible.end;
    if (!any || !one_group()) std::fill_n(output_, tiles_ * out_tiles_ * kTileFloats, 0.0F);
    if (any) {
      const std::size_t end_step = (visible.end + kStepKeys - 1) / kStepKeys;
      Tiles::template zero<0>();
      Tiles::template zero<1>();
      Tiles::template zero<2>();
      Tiles::template zero<3>();
      for (std::size_t tile = 0; tile < tiles_; ++tile) {
        multiply_scores(first_step, tile);
        store_scores(first_step, tile);
      }
      for (std::size_t step = first_step; step < end_step; ++step) attend_step<kBounded>(step, step + 1 == end_step);
      add_waiting_values(end_step);
      store_group(0);
    }
    write_output();
  }

  template <bool kBounded>
  TREBLE_TILE_TARGET void attend_step(std::size_t step, bool last) {
    bool all[kQueryTiles] = {};
    for (std::size_t tile = 0; tile < tiles_; ++tile) {
      all[tile] = all_visible(step, tile);
      if constexpr (!kBounded) look_for_larger(step, tile, all[tile]);
    }
    // Weights up to here are by the old shifts.
    if (corrected_ || step - waiting_ == kept_steps_) add_waiting_values(step);
    if (corrected_) rescale_output();
    weigh_and_multiply<kBounded, 0>(step, last, all[0]);
    if (tiles_ == 2) weigh_and_multiply<kBounded, kQueryTiles - 1>(step, last, all[kQueryTiles - 1]);
    if (one_group()) waiting_ = step;
  }

  /// A step of one query tile: products among the vectors' work, which the CPU does beside it.
  template <bool kBounded, std::size_t kTile>
  TREBLE_TILE_TARGET void weigh_and_multiply(std::size_t step, bool last, bool all) {
    if (!last) multiply_scores(step + 1, kTile);
    weigh<kBounded>(step, kTile, 0, all);
    if (waiting_ < step) add_values<kTile>(step - 1, 0, Group());
    weigh<kBounded>(step, kTile, kTileRows / 2, all);
    if (!last) store_scores(step + 1, kTile);
  }

  TREBLE_TILE_TARGET void write_output() const {
    for (std::size_t row = 0; row < rows_; ++row) {
      const float sum = Lanes::sum(Lanes::load(sums_ + row * 16));
      const V factor = Lanes::set(sum == 0.0F ? 0.0F : inverse_sum(shift_[row], sum));
      T* out = task_.out + (first_ + row) * task_.out_stride;
      for (std::size_t column = 0; column < task_.head_dim; column += kOutColumns) {
        const float* output = output_tile(row / kTileRows, column / kOutColumns) + row % kTileRows * 16;
        Lanes::store_first(Lanes::mul(factor, Lanes::load(output)), task_.head_dim - column, out + column);
      }
    }
  }

  const BasicHeadTask<T>& task_;
  std::size_t steps_;
  std::size_t depth_;       ///< tiles of a score's sum
  std::size_t out_tiles_;   ///< of an output's width
  std::size_t kept_steps_;  ///< whose weights are kept; of a single group, which meets them at once, two
  bool may_bound_;

  std::uint16_t* keys_ = nullptr;
  std::uint16_t* values_ = nullptr;
  std::uint16_t* queries_ = nullptr;
  float* scores_ = nullptr;  ///< of two steps
  std::uint16_t* weights_ = nullptr;
  float* output_ = nullptr;
  float* sums_ = nullptr;  ///< 16 a query, which the last step adds
  float largest_key_ = 0;  ///< |k|²

  // Of the block of queries at work.
  std::size_t first_ = 0;
  std::size_t rows_ = 0;
  std::size_t tiles_ = 0;
  std::size_t waiting_ = 0;  ///< the first step whose weights have not met all values
  bool corrected_ = false;
  float shift_[kQueryTiles * kTileRows];
  float correction_[kQueryTiles * kTileRows];  ///< what O is to be rescaled by
  std::uint32_t seen_[kQueryTiles * kTileRows];
};

/// O has one group, two query tiles at a time, where it fits.
template <class Tiles, class Lanes, typename T>
void attend_head_in_tiles(const BasicHeadTask<T>& task) {
  if (task.head_dim <= 2 * kOutColumns) {
    TileAttention<Tiles, Lanes, 2, T>(task).run();
  } else {
    TileAttention<Tiles, Lanes, 1, T>(task).run();
  }
}

}  // namespace

}  // namespace treble::internal::simd
