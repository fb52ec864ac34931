// The weights of a head for sequence classification, or of a few tokens' logits, and what its scores are of.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "kernels/activation.h"
#include "layers/norm.h"
#include "models/encoder.h"
#include "tensor/aligned_buffer.h"
#include "treble/pooling_mode.h"

namespace treble::internal {

/// norm(activation(W x + b))
struct HeadLayer {
  std::int64_t in = 0;
  std::int64_t out = 0;
  AlignedBuffer<float> weight = {};  ///< [out, in]
  std::vector<float> bias = {};      ///< [out]; empty: none
  Activation activation = Activation::identity;
  Norm norm = {};  ///< a layer norm, or none
};

/// A pooled hidden state through these layers is a logit a label.
struct ClassificationHead {
  PoolingMode pooling = PoolingMode::cls;
  std::vector<HeadLayer> layers;  ///< at least one; the last has as many outputs as there are labels
};

/// id2label of config.json in the order of the ids; LABEL_0, … for as many as num_labels says, or two, where it is not
/// there. Throws Error{invalid_file} for ids that are not 0 … n − 1.
std::vector<std::string> read_labels(const JsonObject& config);

/// The head beside an encoder that was loaded from `folder`, which has a config.json. Throws Error{unsupported} for a
/// family whose head is not known and for a classifier with tensors beyond it; Error{invalid_file} naming the tensor
/// that is missing, and both numbers where config.json has another number of labels than the classifier.
ClassificationHead load_head(const Encoder& encoder, const std::filesystem::path& folder);

/// The logit of one token of the vocabulary after the last one, or how far it is above another's.
struct TokenScore {
  std::int64_t true_token = 0;
  std::optional<std::int64_t> false_token = {};
};

/// The head of that one score, out of the rows of a model that predicts tokens. Throws Error{invalid_argument} for a
/// token that is not in the vocabulary, with both numbers; Error{unsupported} for a family whose head is not known;
/// Error{invalid_file} naming the tensor that is missing.
ClassificationHead load_token_head(const Encoder& encoder, const std::filesystem::path& folder,
                                   const TokenScore& score);

}  // namespace treble::internal
