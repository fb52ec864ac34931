// For tests: texts of many lengths, and comparing what becomes of them.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "kernels/test_support.h"
#include "treble/sentence_encoder.h"

namespace treble::internal::test {

/// How far the vector of a text may differ in another batch.
constexpr double kInvariance = 1e-6;

/// Texts of many lengths, with repeats.
inline std::vector<std::string> mixed_texts() {
  std::vector<std::string> texts;
  for (int i = 0; i < 60; ++i) {
    std::string text;
    for (int word = 0; word <= (i * 7) % 31; ++word) text += "the ferry leaves " + std::to_string(word * i) + " ";
    texts.push_back(text);
  }
  texts.emplace_back();
  texts.push_back(texts[3]);
  return texts;
}

/// A text of `count` tokens for the tiny models that split at white space.
inline std::string words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "a ";
  return text;
}

/// The maximum absolute difference; infinite where the shapes disagree.
inline double difference(const Embeddings& a, const Embeddings& b) {
  if (a.count != b.count || a.dim != b.dim) return HUGE_VAL;
  return max_abs_difference({a.values.data(), a.count, a.dim}, {b.values.data(), b.count, b.dim});
}

}  // namespace treble::internal::test
