// Where the parts of a model are, once it is known which adapter is asked for.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/adapter_merge.h"

namespace treble::internal {

/// As ModelOptions::adapter and ModelOptions::task have it.
struct AdapterChoice {
  std::string adapter = {};
  std::string task = {};
};

/// Stands for no adapter where a model has one for each task.
inline constexpr std::string_view kNoTask = "none";

struct ModelParts {
  std::filesystem::path folder;       ///< of modules.json and the modules
  std::filesystem::path transformer;  ///< of the tokenizer
  /// Of config.json and the weights: `transformer`, or where that holds an adapter alone, the base model's.
  std::filesystem::path weights;
  bool is_static = false;               ///< a table of token embeddings (models/static_embedding.h), no config.json
  AdapterSource adapter = {};           ///< what is merged
  std::vector<std::string> tasks = {};  ///< that the model has adapters for
  std::string task = {};                ///< the one that was chosen, or "none"; empty where there are none
  std::vector<std::string> warnings = {};

  bool has_adapter() const { return !adapter.folder.empty() || !adapter.task.empty(); }
};

/// An adapter is one that was asked for, or lies in the model's folder as transformers looks for it
/// (adapter_config.json; without weights beside it the base model that it names is looked for on this machine), or
/// belongs to the task that was asked for: adapters/TASK/adapter_config.json (Jina v5), or factors in the weights (Jina
/// v3). Throws Error{not_found, invalid_file} as find_model_folder does, and naming the base model that is not there;
/// Error{invalid_argument} for two adapters at once, for a task that the model does not have, and for no task of a
/// model that has an adapter for each, naming them.
ModelParts find_model_parts(const std::string& model, const AdapterChoice& choice = {});

/// The tasks of a model (ModelParts::tasks). Throws what find_model_folder throws, Error{invalid_file}.
std::vector<std::string> find_tasks(const std::string& model);

/// What identifies the merged adapter: hashes of its files and the task, a line each, by name. Empty without one.
std::string adapter_identity(const ModelParts& parts);

}  // namespace treble::internal
