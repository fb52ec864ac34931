// Texts in, a vector for each of their tokens out: late interaction (ColBERT; Khattab & Zaharia, arXiv 2004.12832).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/output_options.h"
#include "treble/sentence_encoder.h"

namespace treble {

/// The vectors of one text, in the order of its tokens.
struct TokenVectors {
  std::int64_t count = 0;         ///< of vectors
  std::int64_t dim = 0;           ///< of each
  std::span<const float> values;  ///< [count, dim], row-major
};

/// The vectors of a call in the order of the texts, laid end to end.
struct MultiVectors {
  std::int64_t count = 0;                     ///< of texts
  std::int64_t dim = 0;                       ///< of each vector
  std::vector<std::int64_t> offsets = {0};    ///< [count + 1]: text i has the rows offsets[i] … offsets[i + 1] − 1
  std::vector<float> values = {};             ///< [rows, dim], row-major
  std::vector<TokenCount> token_counts = {};  ///< [count]; without the tokens that a query was expanded with

  /// Text `index`. Throws Error{invalid_argument} unless 0 ≤ index < count.
  TREBLE_API TokenVectors row(std::int64_t index) const;
};

/// The same in 8 bits: a vector is scale · codes, its scale being its greatest component by size / 127, 0 for zeros.
struct Int8MultiVectors {
  std::int64_t count = 0;
  std::int64_t dim = 0;
  std::vector<std::int64_t> offsets = {0};
  std::vector<std::int8_t> codes = {};  ///< [rows, dim], −127 … 127, rounded to nearest
  std::vector<float> scales = {};       ///< [rows]
  std::vector<TokenCount> token_counts = {};
};
/// Throws Error{invalid_argument} for offsets that do not fit the values, Error{non_finite} naming the text.
TREBLE_API Int8MultiVectors to_int8(const MultiVectors& vectors);
/// Off by at most half a scale. Throws Error{invalid_argument} for sizes that do not fit, naming them.
TREBLE_API MultiVectors to_float32(const Int8MultiVectors& vectors);

/// A vector for each token that the model scores. OutputOptions::role says how a text is read: a query gets the model's
/// mark ("[Q] ") as its prompt and is expanded with mask tokens, a document gets its mark and leaves out the vectors of
/// the tokens on the model's skip list; unset: a document. A prompt that EncodeOptions name stands in the place of the
/// mark. As for SentenceEncoder::encode, a text's vectors depend on nothing but the text and the options. Throws what
/// `encode` throws, and Error{unsupported} for a model without such an output, naming what it has.
TREBLE_API MultiVectors encode_multi(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                     const OutputOptions& options = {});

/// How two texts' vectors are compared.
struct MaxSimOptions {
  /// Divide by the number of the query's vectors, so that queries of different lengths compare: MeanMaxSim.
  bool mean = false;
  /// That share the documents; 0: as many as the CPU allows this process, and one for little work.
  int threads = 0;
};

/// The score of each query with each document, Σ_i max_j q_i · d_j over the vectors i of the query and j of the
/// document (the same paper, equation 3): [queries.count, documents.count], row-major. A pair's score depends on that
/// pair alone, bit for bit. Throws Error{invalid_argument} when the dimensions differ, naming both, and for a text
/// without vectors or offsets that do not fit its values, naming it; Error{non_finite} for a NaN or infinity, naming
/// the text.
TREBLE_API std::vector<float> max_sim(const MultiVectors& queries, const MultiVectors& documents,
                                      const MaxSimOptions& options = {});

}  // namespace treble
