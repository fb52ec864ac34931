// The settings in a model's folder that are neither weights nor modules.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "models/model_location.h"

namespace treble {

struct ModelSettings {
  /// Holds config.json, the weights and the tokenizer: the folder itself, or that of the first module.
  std::filesystem::path transformer_folder;
  /// The smallest limit in tokens that sentence_bert_config.json and tokenizer_config.json state, if any does.
  std::optional<std::int64_t> stated_max_length;
  /// sentence_bert_config.json asks for lower-casing before tokenising.
  bool lowercase = false;
  std::map<std::string, std::string> prompts;
  std::string default_prompt_name;
  std::string similarity = "cosine";  ///< "cosine", "dot", "euclidean" or "manhattan"
};

/// Throws Error{invalid_file} naming file and key.
ModelSettings read_model_settings(const std::filesystem::path& folder);

}  // namespace treble
