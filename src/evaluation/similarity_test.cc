#include "evaluation/similarity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "treble/error.h"

namespace treble::internal {
namespace {

double naive(Similarity similarity, const std::vector<float>& a, const std::vector<float>& b) {
  double product = 0;
  double a2 = 0;
  double b2 = 0;
  double square = 0;
  double absolute = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i];
    const double y = b[i];
    product += x * y;
    a2 += x * x;
    b2 += y * y;
    square += (x - y) * (x - y);
    absolute += std::abs(x - y);
  }
  switch (similarity) {
    case Similarity::cosine: return product / std::sqrt(a2 * b2);
    case Similarity::dot: return product;
    case Similarity::euclidean: return -std::sqrt(square);
    case Similarity::manhattan: return -absolute;
  }
  return 0;
}

// Dimensions around the eight sums side by side.
TEST(Similarities, EqualTheirDefinitions) {
  std::mt19937_64 generator(7);
  std::normal_distribution<float> normal;
  for (const std::size_t dim : {1U, 7U, 8U, 9U, 31U, 384U}) {
    for (const auto kind : {Similarity::cosine, Similarity::dot, Similarity::euclidean, Similarity::manhattan}) {
      std::vector<float> vectors(2 * dim);
      for (float& value : vectors) value = normal(generator);
      const std::vector<float> a(vectors.begin(), vectors.begin() + static_cast<std::ptrdiff_t>(dim));
      const std::vector<float> b(vectors.begin() + static_cast<std::ptrdiff_t>(dim), vectors.end());
      prepare(kind, vectors, static_cast<std::int64_t>(dim));
      const auto prepared = std::span<const float>(vectors);
      const double expected = naive(kind, a, b);
      EXPECT_NEAR(compare(kind, prepared.first(dim), prepared.last(dim)), expected, 2e-5 * (1 + std::abs(expected)))
          << to_string(kind) << " of " << dim;
    }
  }
}

TEST(Similarities, AVectorWithoutDirectionIsLikeNothing) {
  std::vector<float> vectors = {0, 0, 3, 4};
  prepare(Similarity::cosine, vectors, 2);
  EXPECT_EQ(vectors, (std::vector<float>{0, 0, 0.6F, 0.8F}));
}

TEST(Similarities, HaveNames) {
  for (const char* name : {"cosine", "dot", "euclidean", "manhattan"}) {
    EXPECT_EQ(to_string(parse_similarity(name)), name);
  }
  EXPECT_THROW(parse_similarity("cos"), Error);
}

}  // namespace
}  // namespace treble::internal
