// What a model for sequence classification (…ForSequenceClassification) computes from its hidden states.
#pragma once

#include <string>

#include "kernels/activation.h"
#include "treble/pooling_mode.h"

namespace treble::internal {

/// pooled hidden state → dense, activation → norm → classifier: one logit a label. Stems as in WeightNames; they are
/// looked for under the encoder's prefix first, then bare. A family file fills this in.
struct HeadConfig {
  PoolingMode pooling = PoolingMode::cls;
  std::string dense = {};  ///< [hidden, hidden]; empty: the classifier follows the pooling
  bool dense_bias = true;
  Activation activation = Activation::tanh;
  std::string norm = {};  ///< a layer norm after the dense layer; empty: none
  bool norm_bias = true;
  double norm_eps = 1e-5;
  std::string classifier = "classifier";  ///< [labels, hidden]
};

}  // namespace treble::internal
