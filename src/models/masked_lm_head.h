// The weights of a head for masked language modelling, from which SPLADE's weights of the vocabulary come.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "models/classification_head.h"
#include "models/encoder.h"
#include "tensor/aligned_buffer.h"
#include "tensor/view.h"

namespace treble::internal {

/// A hidden state through the transform and the decoder is a logit for each token of the vocabulary.
struct MaskedLmHead {
  HeadLayer transform = {};           ///< [embedding size, hidden]
  ConstMatrixView decoder = {};       ///< [vocabulary, embedding size]
  std::vector<float> bias = {};       ///< [vocabulary]; empty: none
  AlignedBuffer<float> storage = {};  ///< of `decoder`, where it is not the encoder's own word embeddings
};

/// Whether the checkpoint of `encoder`, loaded from `folder`, has such a head that is known of its family.
bool has_masked_lm_head(const Encoder& encoder, const std::filesystem::path& folder);

/// That head. Its decoder is the word embeddings where the file holds none of its own and config.json does not say
/// tie_word_embeddings: false, as in transformers. Throws Error{unsupported} for a family whose head is not known,
/// Error{invalid_file} naming the tensor that is missing or of another shape.
MaskedLmHead load_masked_lm_head(const Encoder& encoder, const std::filesystem::path& folder);

}  // namespace treble::internal
