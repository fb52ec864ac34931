// A folder with a PEFT adapter: its config and its tensors, sorted by the module that they change.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "adapters/peft_config.h"
#include "safetensors/safetensors.h"
#include "safetensors/tensor_revision.h"

namespace treble::internal {

/// The two factors of a module's weight, and what else the adapter holds of it.
struct ModuleProducts {
  std::optional<LowRankProduct> weight;  ///< complete: both factors are there
  std::optional<LowRankProduct> bias;    ///< of lora_bias
};

/// Paths are those of modules in the model that the adapter was trained on, without PEFT's "base_model.model.".
struct PeftAdapter {
  PeftConfig config;
  TensorArchive archive;  ///< of adapter_model.safetensors; what follows refers to it
  std::map<std::string, ModuleProducts> products;
  std::map<std::string, Factor> replacements;  ///< "embeddings.LayerNorm.bias" → its new values
};

/// Throws Error{not_found, io, invalid_file} naming file and tensor: a factor without the other, a rank that is not the
/// config's, a module that the config does not name; Error{unsupported} for tensors of other methods, and as
/// read_peft_config.
PeftAdapter read_peft_adapter(const std::filesystem::path& folder);

}  // namespace treble::internal
