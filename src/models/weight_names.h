// Where a family keeps its tensors.
#pragma once

#include <string>
#include <vector>

namespace treble {

/// Stems: ".weight" and ".bias" follow. In the layer's stems "{}" stands for the layer's number.
struct WeightNames {
  /// What may stand before every name ("bert."); tried in order, the bare name first.
  std::vector<std::string> prefixes;

  std::string word_embeddings;
  std::string position_embeddings;
  std::string token_type_embeddings;  ///< empty: the family has none
  std::string embedding_norm;
  std::string relative_bias;  ///< empty: the family has none

  std::string query;
  std::string key;
  std::string value;
  std::string attention_output;
  std::string attention_norm;
  std::string up;
  std::string down;
  std::string output_norm;
};

}  // namespace treble
