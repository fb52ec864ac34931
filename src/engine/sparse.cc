#include "treble/sparse.h"

#include <array>
#include <utility>

#include "base/fail.h"
#include "treble/outputs.h"

namespace treble {

using internal::fail;

SparseRow SparseVectors::row(std::int64_t index) const {
  if (index < 0 || index >= count) {
    fail(ErrorCode::invalid_argument, "there is no sparse vector {}: there are {}", index, count);
  }
  const auto begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(index)]);
  const auto size = static_cast<std::size_t>(offsets[static_cast<std::size_t>(index) + 1]) - begin;
  return {.indices = std::span(indices).subspan(begin, size), .values = std::span(values).subspan(begin, size)};
}

SparseVectors encode_sparse(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                            const OutputOptions& options) {
  constexpr std::array kSparse = {OutputKind::sparse};
  return std::move(*encode_outputs(encoder, texts, kSparse, options).sparse);
}

float dot(const SparseRow& a, const SparseRow& b) {
  double sum = 0;
  for (std::size_t i = 0, j = 0; i < a.indices.size() && j < b.indices.size();) {
    if (a.indices[i] == b.indices[j]) {
      sum += double{a.values[i++]} * double{b.values[j++]};
    } else if (a.indices[i] < b.indices[j]) {
      ++i;
    } else {
      ++j;
    }
  }
  return static_cast<float>(sum);
}

std::vector<float> dot_products(const SparseVectors& a, const SparseVectors& b) {
  if (a.dim != b.dim) {
    fail(ErrorCode::invalid_argument, "sparse vectors of vocabularies of {} and {} tokens cannot be compared", a.dim,
         b.dim);
  }
  std::vector<float> products;
  products.reserve(static_cast<std::size_t>(a.count * b.count));
  for (std::int64_t i = 0; i < a.count; ++i) {
    for (std::int64_t j = 0; j < b.count; ++j) products.push_back(dot(a.row(i), b.row(j)));
  }
  return products;
}

}  // namespace treble
