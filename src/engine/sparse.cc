#include "treble/sparse.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "base/fail.h"
#include "base/required.h"
#include "engine/sentence_encoder_impl.h"
#include "treble/outputs.h"

namespace treble {

using namespace internal;

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
  Outputs outputs = encode_outputs(encoder, texts, kSparse, options);
  return std::move(required(outputs.sparse));
}

std::vector<WeightedToken> decode_sparse(const SentenceEncoder& encoder, const SparseRow& row,
                                         std::optional<std::int64_t> top_k) {
  if (top_k && *top_k < 1) fail(ErrorCode::invalid_argument, "top_k is {}, it must be at least 1", *top_k);
  const Tokenizer& tokenizer = EncoderAccess::implementation(encoder).tokenizer;
  std::vector<std::size_t> order(row.indices.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return row.values[a] > row.values[b]; });
  if (top_k) order.resize(std::min(order.size(), static_cast<std::size_t>(*top_k)));
  std::vector<WeightedToken> tokens;
  tokens.reserve(order.size());
  for (const std::size_t place : order) {
    const std::int32_t id = row.indices[place];
    tokens.push_back({tokenizer.id_to_token(id).value_or(fmt::format("[{}]", id)), row.values[place]});
  }
  return tokens;
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
