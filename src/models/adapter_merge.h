// Adapters put onto a checkpoint's tensors, which from then on read as the merged weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "models/weight_loader.h"
#include "safetensors/safetensors.h"

namespace treble::internal {

/// Which adapter a model is read with.
struct AdapterSource {
  std::filesystem::path folder = {};  ///< of a PEFT adapter; empty: none
  std::string task = {};              ///< of those that lie in the weights themselves (Jina v3); empty: none
};

/// "lora_adaptations" of a config.json: the tasks whose adapters lie in the weights. Empty for most models.
std::vector<std::string> tasks_in_weights(const JsonObject& config);

/// Jina v3 keeps each weight as "X.parametrizations.weight.original" and the factors of all tasks beside it. Gives the
/// weights their plain names, with the products of `task` on them. Does nothing to other checkpoints. Throws
/// Error{invalid_file} naming tensor and shapes, Error{invalid_argument} for a task that is not there.
void merge_task(const JsonObject& config, const std::string& task, TensorArchive& archive);

/// The model that an adapter is put onto.
struct AdapterBase {
  const std::string& model_type;
  const FoundNames& found;
  /// What may stand before the encoder's names in the model that the adapter was trained on.
  std::vector<std::string> prefixes;
};

/// Throws what read_peft_adapter throws, and Error{invalid_file} naming the module where the adapter and the weights do
/// not fit: a target that is not in the weights, or has no factors in the adapter, another model type or shape.
void merge_peft_adapter(const std::filesystem::path& folder, const AdapterBase& base, TensorArchive& archive);

}  // namespace treble::internal
