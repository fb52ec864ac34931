// For tests of the request queue: requests of all kinds.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/model_copy.h"
#include "kernels/test_support.h"
#include "treble/sentence_encoder.h"

namespace treble::internal::test {

inline SentenceEncoder load(const std::string& family, int threads, ComputeType type = ComputeType::float32) {
  return SentenceEncoder::load({.model = model_path(family), .threads = threads, .dtype = type});
}

inline double vector_difference(const Embeddings& a, const Embeddings& b) {
  if (a.count != b.count || a.dim != b.dim) return HUGE_VAL;
  if (a.count == 0) return 0;
  return max_abs_difference({a.values.data(), a.count, a.dim}, {b.values.data(), b.count, b.dim});
}

/// Requests of all kinds, the same for a seed.
class RequestGenerator {
 public:
  explicit RequestGenerator(std::uint32_t seed) : random_(seed) {}

  std::int64_t draw(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  bool chance(int percent) { return draw(1, 100) <= percent; }

  std::vector<std::string> texts() {
    std::vector<std::string> texts(static_cast<std::size_t>(chance(10) ? draw(0, 40) : draw(1, 3)));
    for (auto& text : texts) {
      for (std::int64_t words = chance(15) ? draw(20, 70) : draw(0, 8); words > 0; --words) {
        text += kWords.at(static_cast<std::size_t>(draw(0, std::ssize(kWords) - 1))) + " ";
      }
    }
    return texts;
  }

  EncodeOptions options() {
    EncodeOptions options;
    if (chance(50)) options.temperature = Temperature::parse(chance(50) ? "0.7" : "log:8");
    options.temper_position_bias = !chance(20);
    if (chance(30)) options.prompt = chance(50) ? "query: " : "a longer prompt: ";
    if (chance(30)) options.max_length = draw(24, 40);
    if (chance(30)) options.truncation = chance(50) ? Truncation::start : Truncation::end;
    if (chance(30)) options.normalize = chance(50);
    if (chance(30)) options.dimensions = draw(1, 20);
    return options;
  }

 private:
  const std::vector<std::string> kWords = {"the",     "ferry", "leaves", "at", "noon", "for",
                                           "islands", "a",     "b",      "c",  "12",   "embedding"};
  std::mt19937 random_;
};

}  // namespace treble::internal::test
