#include "evaluation/training_samples.h"

#include <bit>
#include <map>
#include <numeric>
#include <random>
#include <utility>

namespace treble::internal {

namespace {

constexpr std::uint32_t kSeed = 42;

/// 0 … max, as NumPy's RandomState draws it: the lowest bits of the next number, until they are small enough.
std::uint32_t draw(std::mt19937& generator, std::uint32_t max) {
  const std::uint32_t mask = max == 0 ? 0 : ~std::uint32_t{0} >> std::countl_zero(max);
  while (true) {
    const std::uint32_t value = static_cast<std::uint32_t>(generator()) & mask;
    if (value <= max) return value;
  }
}

/// numpy.random.RandomState(seed).shuffle of a list.
void shuffle(std::vector<std::size_t>& values) {
  std::mt19937 generator(kSeed);  // NOLINT(bugprone-random-generator-seed): mteb's own samples are meant
  for (std::size_t last = values.size(); last-- > 1;) {
    std::swap(values[last], values[draw(generator, static_cast<std::uint32_t>(last))]);
  }
}

}  // namespace

std::vector<std::vector<std::size_t>> training_samples(std::span<const std::int64_t> labels, std::size_t per_label,
                                                       std::size_t experiments) {
  std::vector<std::size_t> order(labels.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::vector<std::size_t>> samples(experiments);
  for (auto& sample : samples) {
    shuffle(order);
    std::map<std::int64_t, std::size_t> counts;
    for (const std::size_t place : order) {
      if (counts[labels[place]]++ < per_label) sample.push_back(place);
    }
  }
  return samples;
}

}  // namespace treble::internal
