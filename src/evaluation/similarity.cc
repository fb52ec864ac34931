#include "evaluation/similarity.h"

#include <array>
#include <cmath>

#include "base/fail.h"
#include "tensor/dot.h"

namespace treble {

using namespace internal;

namespace {

constexpr std::array<std::string_view, 4> kNames = {"cosine", "dot", "euclidean", "manhattan"};

/// Eight sums side by side, so that the compiler may use vectors without reordering anything.
template <typename Term>
float sum_of(std::span<const float> a, std::span<const float> b, const Term& term) {
  std::array<float, 8> sums = {};
  std::size_t i = 0;
  for (; i + 8 <= a.size(); i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += term(a[i + lane], b[i + lane]);
  }
  float sum = 0;
  for (; i < a.size(); ++i) sum += term(a[i], b[i]);
  for (const float part : sums) sum += part;
  return sum;
}

}  // namespace

Similarity parse_similarity(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Similarity>(i);
  }
  fail(ErrorCode::invalid_argument, "\"{}\" is not a similarity; there are cosine, dot, euclidean, manhattan", name);
}

std::string to_string(Similarity similarity) { return std::string(kNames[static_cast<std::size_t>(similarity)]); }

float similarity(std::span<const float> a, std::span<const float> b, Similarity kind) {
  if (a.size() != b.size()) {
    fail(ErrorCode::invalid_argument, "vectors of {} and {} dimensions cannot be compared", a.size(), b.size());
  }
  return kind == Similarity::cosine ? static_cast<float>(cosine(a, b)) : compare(kind, a, b);
}

double cosine(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) {
    fail(ErrorCode::invalid_argument, "vectors of {} and {} dimensions cannot be compared", a.size(), b.size());
  }
  const double aa = dot(a, a);
  const double bb = dot(b, b);
  return aa > 0 && bb > 0 ? dot(a, b) / std::sqrt(aa * bb) : 0.0;
}

void internal::prepare(Similarity similarity, std::span<float> vectors, std::int64_t dim) {
  if (similarity != Similarity::cosine) return;
  const auto size = static_cast<std::size_t>(dim);
  for (std::size_t begin = 0; begin < vectors.size(); begin += size) {
    const auto row = vectors.subspan(begin, size);
    const double scale = unit_scale(row);
    for (float& value : row) value = static_cast<float>(value * scale);
  }
}

float internal::compare(Similarity similarity, std::span<const float> a, std::span<const float> b) {
  switch (similarity) {
    case Similarity::cosine:
    case Similarity::dot: return sum_of(a, b, [](float x, float y) { return x * y; });
    case Similarity::euclidean: return -std::sqrt(sum_of(a, b, [](float x, float y) { return (x - y) * (x - y); }));
    case Similarity::manhattan: return -sum_of(a, b, [](float x, float y) { return std::abs(x - y); });
  }
  fail(ErrorCode::internal, "unknown similarity {}", static_cast<int>(similarity));
}

}  // namespace treble
