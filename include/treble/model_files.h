// The files that make a model what it is.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "treble/export.h"

namespace treble {

/// One file of a model.
struct ModelFile {
  std::string name;              ///< relative to the model's folder, with "/": "1_Pooling/config.json"
  std::filesystem::path path;    ///< where it is
  bool encoder_weights = false;  ///< a safetensors file in the folder of the encoder
};

/// The files of a model (a folder or a name, as ModelOptions::model) that what it computes depends on, in the order of
/// their names: configs, tokenizer files, weights, each module's config and weights, treble.json. Other files, such as
/// README.md, are not among them. Opens none but modules.json. Throws Error{not_found, invalid_file}.
TREBLE_API std::vector<ModelFile> model_files(const std::string& model);

/// True for the last part of a path that would be read as part of a model if a file of that name lay in its folder.
TREBLE_API bool is_model_file_name(std::string_view name);

/// The models in the local Hugging Face cache (HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub,
/// XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub), as "org/name", sorted; of any kind, and whether or not
/// their download was finished.
TREBLE_API std::vector<std::string> cached_models();

/// The tasks that a model has adapters for (ModelOptions::task); empty for most models. Opens modules.json and
/// config.json at most. Throws Error{not_found, invalid_file}.
TREBLE_API std::vector<std::string> model_tasks(const std::string& model);

}  // namespace treble
