// A sample of a stream whose length nobody knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <utility>

namespace treble {

/// Says which items of a stream to keep, so that each has the same chance to be among those kept at the end (Vitter's
/// algorithm R, 1985). The same for a seed, on every machine.
class ReservoirSampler {
 public:
  /// At most `max_count` items are kept.
  ReservoirSampler(std::int64_t max_count, std::uint64_t seed) : max_count_(max_count), generator_(seed) {}

  /// The place, from 0, where the next item of the stream belongs, in place of what is there; nothing: it is not kept.
  /// The first `max_count` items get places 0, 1, 2 and so on.
  std::optional<std::size_t> next() {
    ++seen_;
    if (seen_ <= max_count_) return static_cast<std::size_t>(seen_ - 1);
    const std::uint64_t place = generator_() % static_cast<std::uint64_t>(seen_);
    if (std::cmp_greater_equal(place, max_count_)) return std::nullopt;
    return static_cast<std::size_t>(place);
  }

  /// How many items the stream has had.
  std::int64_t seen() const noexcept { return seen_; }

 private:
  std::int64_t max_count_;
  std::int64_t seen_ = 0;
  std::mt19937_64 generator_;
};

}  // namespace treble
