// Finding a model on this machine, and the settings in its folder that are neither weights nor modules.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace treble {

/// The folder of a model: `model` itself when it is a folder, else the snapshot of "org/name" in the local Hugging Face
/// cache (HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub);
/// a bare name is looked for under sentence-transformers/ too. Never touches the network.
/// Throws Error{not_found} with the places looked at.
std::filesystem::path find_model_folder(const std::string& model);

struct ModelSettings {
  /// Holds config.json, the weights and the tokenizer: the folder itself, or that of the first module.
  std::filesystem::path transformer_folder;
  /// The smallest limit in tokens that sentence_bert_config.json and tokenizer_config.json state, if any does.
  std::optional<std::int64_t> stated_max_length;
  /// sentence_bert_config.json asks for lower-casing before tokenising.
  bool lowercase = false;
  std::map<std::string, std::string> prompts;
  std::string default_prompt_name;
};

/// Throws Error{invalid_file} naming file and key.
ModelSettings read_model_settings(const std::filesystem::path& folder);

}  // namespace treble
