#include "engine/model_info.h"

#include <span>

#include "base/sha256.h"
#include "kernels/compute_isa.h"
#include "treble/bake.h"
#include "treble/model_files.h"

namespace treble::internal {

namespace {

WeightsDType weights_dtype(std::string_view name) {
  if (name == "F16") return WeightsDType::float16;
  if (name == "BF16") return WeightsDType::bfloat16;
  return name == "F64" ? WeightsDType::float64 : WeightsDType::float32;
}

/// As ModelInfo::adapter.
std::string adapter_name(const ModelParts& parts) {
  if (!parts.adapter.folder.empty()) return std::filesystem::weakly_canonical(parts.adapter.folder).string();
  return parts.adapter.task.empty() ? std::string() : "in the weights";
}

void describe_modules(const LoadedModel& model, ModelInfo& info) {
  if (model.modules != nullptr) {
    info.pooling = model.modules->pooling_modes();
    info.normalizes = model.modules->normalizes();
    info.dim = model.modules->output_dim({});
    info.modules = model.modules->descriptions();
    info.warnings = model.modules->warnings();
  } else {
    info.modules.emplace_back("Transformer");
  }
  if (model.heads.multi_vector) {
    const auto warnings = model.heads.multi_vector->warnings();
    info.warnings.insert(info.warnings.end(), warnings.begin(), warnings.end());
    info.token_dim = model.heads.multi_vector->chain().dim();
    info.mean_max_sim = model.heads.multi_vector->settings().mean_max_sim;
  }
  const auto more = model.heads.descriptions();
  info.modules.insert(info.modules.end(), more.begin(), more.end());
}

}  // namespace

ModelInfo describe_model(const LoadedModel& model) {
  ModelInfo info;
  const EncoderConfig& config = model.encoder.config();
  const auto clean = std::filesystem::weakly_canonical(model.settings.parts.folder);
  info.name = std::filesystem::exists(model.options.model) ? clean.filename().string() : model.options.model;
  info.path = clean;
  info.model_type = config.model_type;
  info.architecture = config.architecture;
  info.weights_dtype = weights_dtype(model.encoder.weights_dtype());
  info.compute_dtype = model.options.dtype;
  info.dtype_reason = compute_type_note(model.options.dtype);
  info.cpu_isa = compute_isa();
  info.outputs = model.heads.kinds();
  info.hidden_size = config.hidden_size;
  info.num_layers = config.num_layers;
  info.num_heads = config.num_heads;
  info.vocab_size = config.vocab_size;
  info.num_parameters = model.encoder.num_parameters();
  info.num_experts = config.experts.count;
  info.active_experts = config.experts.active;
  info.active_parameters = info.num_parameters - config.idle_parameters();
  info.max_length = model.lengths.max_tokens;
  info.truncation = model.tokenizer.default_truncation();
  info.extension = model.lengths.extension;
  info.max_length_source = model.options.max_length ? "asked for" : model.limit.source;
  info.position_limit = model.limit.position_limit;
  info.tempered_layers = model.encoder.tempered_layers();
  if (config.state_space.enabled) {
    info.state_layers = config.num_layers;
    info.state_head_dim = config.head_dim;
    info.state_size = config.state_space.state_size;
  }
  if (const auto baked = read_baked(info.path)) info.baked_temperature = to_string(*baked);
  info.adapter = adapter_name(model.settings.parts);
  info.task = model.settings.parts.task;
  describe_modules(model, info);
  info.prompts = model.settings.prompts;
  info.default_prompt_name = model.settings.default_prompt_name;
  info.similarity = model.settings.similarity;
  info.switches = describe(config);
  info.special_tokens_as_text = model.options.special_tokens_as_text;
  info.threads = model.threads;
  if (!model.limit.warning.empty()) info.warnings.push_back(model.limit.warning);
  for (const auto& some : {config.warnings, model.settings.warnings, model.tokenizer.warnings()}) {
    info.warnings.insert(info.warnings.end(), some.begin(), some.end());
  }
  return info;
}

std::string hash_weights(const ModelParts& parts, const std::vector<std::filesystem::path>& weight_files) {
  std::string files = sha256_of_files(weight_files);
  return parts.has_adapter() ? sha256_of(fmt::format("{} weights\n{}", files, adapter_identity(parts))) : files;
}

ModelFingerprint fingerprint_model(const ModelParts& parts, const std::string& weights_sha256) {
  ModelFingerprint fingerprint;
  for (const ModelFile& file : model_files(parts.folder.string())) {
    if (!file.encoder_weights) fingerprint.files[file.name] = sha256_of_files({&file.path, 1});
  }
  if (parts.weights != parts.transformer) {
    const std::filesystem::path config = parts.weights / "config.json";
    fingerprint.files["base/config.json"] = sha256_of_files({&config, 1});
  }
  fingerprint.files["weights"] = weights_sha256;
  std::string list;
  for (const auto& [name, sha256] : fingerprint.files) list += fmt::format("{} {}\n", sha256, name);
  fingerprint.sha256 = sha256_of(list);
  return fingerprint;
}

}  // namespace treble::internal
