// Several outputs of a model from one pass: BGE-M3's dense, sparse and multi-vector.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "treble/export.h"
#include "treble/multi_vector.h"
#include "treble/output_options.h"
#include "treble/sentence_encoder.h"
#include "treble/sparse.h"

namespace treble {

/// Those that were asked for, each with a row a text in the order of the texts.
struct Outputs {
  std::optional<Embeddings> dense = {};
  std::optional<SparseVectors> sparse = {};
  std::optional<MultiVectors> multi_vector = {};
};

/// Outputs of the kinds in `kinds`, of which the model has ModelInfo::outputs; texts are read and carried through its
/// layers once. Each is what encode, encode_sparse and encode_multi give (≤ 1e-6). Throws what those throw, and
/// Error{invalid_argument} for no kind.
TREBLE_API Outputs encode_outputs(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                  std::span<const OutputKind> kinds, const OutputOptions& options = {});

/// Throws what encode_outputs would throw for these kinds and options whatever the texts.
TREBLE_API void validate_outputs(const SentenceEncoder& encoder, std::span<const OutputKind> kinds,
                                 const OutputOptions& options = {});

}  // namespace treble
