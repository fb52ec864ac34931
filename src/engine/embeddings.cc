// What callers do with vectors.
#include <algorithm>

#include "base/fail.h"
#include "evaluation/similarity.h"
#include "treble/sentence_encoder.h"

namespace treble {

using namespace internal;

std::span<const float> Embeddings::row(std::int64_t index) const {
  if (index < 0 || index >= count) {
    fail(ErrorCode::invalid_argument, "there is no vector {}: there are {}", index, count);
  }
  const auto size = static_cast<std::size_t>(dim);
  return std::span(values).subspan(static_cast<std::size_t>(index) * size, size);
}

std::string to_string(WeightsDType dtype) {
  switch (dtype) {
    case WeightsDType::float16: return "F16";
    case WeightsDType::bfloat16: return "BF16";
    case WeightsDType::float32: break;
    case WeightsDType::float64: return "F64";
  }
  return "F32";
}

std::vector<float> similarity(const Embeddings& a, const Embeddings& b, Similarity kind) {
  if (a.dim != b.dim) {
    fail(ErrorCode::invalid_argument, "vectors of {} and {} dimensions cannot be compared", a.dim, b.dim);
  }
  std::vector<float> left = a.values;
  std::vector<float> right = b.values;
  prepare(kind, left, a.dim);
  prepare(kind, right, b.dim);
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(a.count * b.count));
  const auto size = static_cast<std::size_t>(a.dim);
  for (std::size_t i = 0; i < left.size(); i += size) {
    for (std::size_t j = 0; j < right.size(); j += size) {
      result.push_back(compare(kind, std::span(left).subspan(i, size), std::span(right).subspan(j, size)));
    }
  }
  return result;
}

}  // namespace treble
