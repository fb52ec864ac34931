// Texts in, weights of the vocabulary's tokens out: learned sparse retrieval.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/output_options.h"
#include "treble/sentence_encoder.h"

namespace treble {

/// The tokens of a text that have a weight.
struct SparseRow {
  std::span<const std::int32_t> indices;  ///< ids of the vocabulary, rising
  std::span<const float> values;          ///< their weights, none of them 0
};

/// The sparse vectors of a call in the order of the texts, as compressed sparse rows (CSR).
struct SparseVectors {
  std::int64_t count = 0;                     ///< of texts
  std::int64_t dim = 0;                       ///< of each vector: the model's vocabulary
  std::vector<std::int64_t> offsets = {};     ///< [count + 1]: text i has the entries offsets[i] … offsets[i + 1] − 1
  std::vector<std::int32_t> indices = {};     ///< [entries], rising within a text
  std::vector<float> values = {};             ///< [entries], none of them 0
  std::vector<TokenCount> token_counts = {};  ///< [count]

  /// Text `index`. Throws Error{invalid_argument} unless 0 ≤ index < count.
  TREBLE_API SparseRow row(std::int64_t index) const;
};

/// One sparse vector a text. As for SentenceEncoder::encode, a text's depends on nothing but the text and the options.
/// Throws what `encode` throws, and Error{unsupported} for a model without a sparse output, naming what it has.
TREBLE_API SparseVectors encode_sparse(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                       const OutputOptions& options = {});

/// A token of a text's sparse vector.
struct WeightedToken {
  std::string token;  ///< as the tokenizer's vocabulary has it; "[ID]" for a row of the model that has no token
  float weight = 0;
};

/// The tokens of a row by descending weight, of equal weights the lower id first; no more than `top_k`: `decode` of
/// sentence-transformers. Throws Error{invalid_argument} for a top_k below 1.
TREBLE_API std::vector<WeightedToken> decode_sparse(const SentenceEncoder& encoder, const SparseRow& row,
                                                    std::optional<std::int64_t> top_k = {});

/// Sum of the products of the weights that both have.
TREBLE_API float dot(const SparseRow& a, const SparseRow& b);

/// The dot product of each of `a` with each of `b`: [a.count, b.count], row-major. Throws Error{invalid_argument}
/// naming both when the vocabularies differ.
TREBLE_API std::vector<float> dot_products(const SparseVectors& a, const SparseVectors& b);

}  // namespace treble
