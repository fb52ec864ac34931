// What models with a head compute from their hidden states.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/activation.h"
#include "treble/pooling_mode.h"

namespace treble::internal {

/// Of a model for sequence classification (…ForSequenceClassification): pooled hidden state → dense, activation → norm
/// → classifier: one logit a label. Stems as in WeightNames; they are looked for under the encoder's prefix first, then
/// bare. A family file fills this in.
struct HeadConfig {
  PoolingMode pooling = PoolingMode::cls;
  std::string dense = {};  ///< [hidden, hidden]; empty: the classifier follows the pooling
  bool dense_bias = true;
  Activation activation = Activation::tanh;
  std::string norm = {};  ///< a layer norm after the dense layer; empty: none
  bool norm_bias = true;
  double norm_eps = 1e-5;
  std::string classifier = "classifier";  ///< [labels, hidden]
  bool classifier_bias = true;
  /// Where the classifier's rows are the vocabulary's and it may be tied: the word embeddings, which stand for a
  /// classifier that the weights do not hold. Empty: they do not.
  std::string tied_classifier = {};
  /// The last token that is pooled is the last one that is not this: "pad_token_id" of decoders. Unset: the last.
  std::optional<std::int32_t> padding = {};
};

/// What a model for masked language modelling (…ForMaskedLM) computes from its hidden states: dense, activation → norm
/// → decoder, one logit for each token of the vocabulary. Stems as in WeightNames, without a prefix.
struct MaskedLmHeadConfig {
  std::string dense = {};  ///< [embedding size, hidden]
  bool dense_bias = true;
  Activation activation = Activation::gelu;
  std::string norm = {};  ///< a layer norm
  bool norm_bias = true;
  double norm_eps = 1e-12;
  std::string decoder = {};  ///< [vocabulary, embedding size]; not in the file: the word embeddings stand for it
  bool decoder_bias = true;
  std::string tied_bias = {};  ///< a whole name, which stands for the decoder's bias where that is not in the file
};

}  // namespace treble::internal
