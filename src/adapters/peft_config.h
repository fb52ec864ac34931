// adapter_config.json of a LoRA adapter as PEFT writes it (Hu et al., arXiv 2106.09685).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace treble::internal {

enum class AdaptedBiases { none, all, lora_only };

/// Names of modules, or one regular expression that a whole module path must match; a list without a name: none.
using ModuleNames = std::variant<std::vector<std::string>, std::string>;

/// What of the file decides which weights change, and by how much.
struct PeftConfig {
  std::string origin;  ///< the file, for messages
  std::filesystem::path file;
  std::string base_model;   ///< base_model_name_or_path; may be empty
  std::string base_family;  ///< of auto_mapping: "bert" of "transformers.models.bert.modeling_bert"; may be empty

  std::int64_t rank = 8;
  double alpha = 8;
  bool rank_stabilized = false;  ///< scale alpha / √rank (rsLoRA) instead of alpha / rank
  std::vector<std::pair<std::string, std::int64_t>> rank_pattern;  ///< regular expression → rank; the first that fits
  std::vector<std::pair<std::string, double>> alpha_pattern;

  ModuleNames target_modules;
  ModuleNames exclude_modules;
  std::vector<std::int64_t> layers_to_transform;  ///< empty: all
  std::vector<std::string> layers_pattern;        ///< what stands before a layer's number; empty: anything
  std::vector<std::string> modules_to_save;
  AdaptedBiases biases = AdaptedBiases::none;
};

/// Throws Error{unsupported} naming the key for another kind of adapter, or a setting that changes the computation and
/// is not implemented (DoRA, PiSSA's and its like's changed base weights, …); Error{invalid_file, not_found, io}.
PeftConfig read_peft_config(const std::filesystem::path& folder);

/// base_model_name_or_path alone; Error{invalid_file} when the file does not say it.
std::string read_base_model(const std::filesystem::path& folder);

inline constexpr const char* kPeftConfigFile = "adapter_config.json";
inline constexpr const char* kPeftWeightsFile = "adapter_model.safetensors";

}  // namespace treble::internal
