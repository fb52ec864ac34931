// Mamba-2 (Dao & Gu, "Transformers are SSMs", arXiv 2405.21060) read for its hidden states: as transformers writes it
// ("model_type": "mamba2") and as its authors do ("ssm_cfg", no model_type).
#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "base/fail.h"
#include "base/json_text.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble::internal {

namespace {

/// Far beyond every real model, so that products of sizes cannot overflow.
std::int64_t read_bounded(const JsonObject& json, const char* key, std::int64_t fallback) {
  constexpr std::int64_t kMax = std::int64_t{1} << 20;
  const std::int64_t value = read_divisor(json, key, fallback);
  if (value <= kMax) return value;
  fail_at(json, ErrorCode::invalid_file, "\"{}\" is {}, it must be between 1 and {}", key, value, kMax);
}

/// What both forms have in common once their sizes are known.
void complete(const JsonObject& json, std::int64_t inner, EncoderConfig& config) {
  StateSpaceConfig& states = config.state_space;
  states.enabled = true;
  config.num_positions = EncoderConfig::kRecurrentLimit;
  config.unlimited_positions = true;
  config.embedding_norm = false;
  config.norm_kind = NormKind::rms;
  config.norm_placement = NormPlacement::pre;
  config.norm_bias = false;
  config.final_norm = true;
  config.causal = true;
  config.activation = Activation::silu;
  config.intermediate_size = inner;
  if (config.num_heads * config.head_dim != inner) {
    fail_at(json, ErrorCode::invalid_file,
            "{} heads of {} are {} wide, the inner width is {} (expand x hidden size); the two must agree",
            config.num_heads, config.head_dim, config.num_heads * config.head_dim, inner);
  }
  if (config.num_heads % states.num_groups != 0) {
    fail_at(json, ErrorCode::invalid_file, "{} heads cannot share {} groups of B and C evenly", config.num_heads,
            states.num_groups);
  }
  if (!(states.min_step >= 0 && states.min_step <= states.max_step)) {
    fail_at(json, ErrorCode::invalid_file, "the limits of the time step are {} and {}, they must rise from at least 0",
            states.min_step, states.max_step);
  }
}

/// A number; infinity is {"__float__": "Infinity"} in files of transformers, and a string in older ones (JSON has
/// none).
double read_limit(const JsonObject& json, const char* key, const nlohmann::json& value) {
  if (value.is_object() && value.contains("__float__")) return read_limit(json, key, value.at("__float__"));
  if (value.is_number()) return value.get<double>();
  if (value == "Infinity" || value == "inf") return std::numeric_limits<double>::infinity();
  fail_at(json, ErrorCode::invalid_file, R"("{}" has {:.60}; its two entries must be numbers or "Infinity")", key,
          json_text(value));
}

void read_step_limits(const JsonObject& json, const char* key, StateSpaceConfig& states) {
  states.max_step = std::numeric_limits<double>::infinity();
  const nlohmann::json* limits = json.find(key);
  if (limits == nullptr) return;
  if (!limits->is_array() || limits->size() != 2) {
    fail_at(json, ErrorCode::invalid_file, "\"{}\" is {:.60}, it must be two numbers", key, json_text(*limits));
  }
  states.min_step = read_limit(json, key, limits->at(0));
  states.max_step = read_limit(json, key, limits->at(1));
}

EncoderConfig read_transformers_config(const JsonObject& json) {
  EncoderConfig config = read_sizes(
      json, {.vocab_size = 32768, .hidden_size = 4096, .num_layers = 64, .num_heads = 128},
      {.hidden_size = {"hidden_size"}, .num_heads = {"num_heads"}, .intermediate_size = {}, .num_positions = {}});
  config.head_dim = read_bounded(json, "head_dim", 64);
  StateSpaceConfig& states = config.state_space;
  states.state_size = read_bounded(json, "state_size", 128);
  states.num_groups = read_bounded(json, "n_groups", 8);
  states.conv_kernel = read_bounded(json, "conv_kernel", 4);
  states.conv_bias = json.boolean("use_conv_bias").value_or(true);
  states.projection_bias = json.boolean("use_bias").value_or(false);
  require_value(json, "hidden_act", "silu");
  require_flag(json, "rms_norm", true);
  read_step_limits(json, "time_step_limit", states);
  config.norm_eps = json.number("layer_norm_epsilon").value_or(1e-5);
  states.tied_head = json.boolean("tie_word_embeddings");
  complete(json, read_bounded(json, "expand", 2) * config.hidden_size, config);
  return config;
}

/// Settings of the authors' class that are not known here change what its layers compute.
void refuse_unknown_keys(const JsonObject& layer) {
  constexpr auto kHarmless = std::to_array<std::string_view>(
      {"A_init_range", "chunk_size", "conv_init", "dt_init_floor", "dt_max", "dt_min", "layer", "use_mem_eff_path"});
  for (const std::string& key : layer.unread_keys()) {
    if (std::find(kHarmless.begin(), kHarmless.end(), key) != kHarmless.end()) continue;
    fail_at(layer, ErrorCode::unsupported, "\"{:.60}\" is not supported", key);
  }
}

/// state-spaces/mamba2-…: sizes by other names, the layer's own in "ssm_cfg", defaults of its class Mamba2.
EncoderConfig read_authors_config(const JsonObject& json) {
  const JsonObject layer = JsonObject::from_value(json.value().at("ssm_cfg"), json.origin() + ": ssm_cfg", json.file());
  EncoderConfig config = read_sizes(json, {.vocab_size = 50277, .hidden_size = 2560, .num_layers = 64, .num_heads = 1},
                                    {.hidden_size = {"d_model"},
                                     .num_layers = {"n_layer"},
                                     .num_heads = {},
                                     .intermediate_size = {},
                                     .num_positions = {}});
  const std::int64_t multiple = read_bounded(json, "pad_vocab_size_multiple", 8);
  config.vocab_size = (config.vocab_size + multiple - 1) / multiple * multiple;
  if (const auto wide = json.integer("d_intermediate").value_or(0); wide != 0) {
    fail_at(json, ErrorCode::unsupported, "\"d_intermediate\" is {}; only 0 is supported: no feed-forward network",
            wide);
  }
  const nlohmann::json* attention = json.find("attn_layer_idx");
  if (attention != nullptr && !attention->empty()) {
    fail_at(json, ErrorCode::unsupported,
            "\"attn_layer_idx\" is {:.60}; models that mix attention in are not supported", json_text(*attention));
  }
  require_flag(json, "rms_norm", true);
  const std::int64_t inner = read_bounded(layer, "expand", 2) * config.hidden_size;
  config.head_dim = read_bounded(layer, "headdim", 64);
  config.num_heads = std::max<std::int64_t>(1, inner / config.head_dim);
  StateSpaceConfig& states = config.state_space;
  states.state_size = read_bounded(layer, "d_state", 128);
  states.num_groups = read_bounded(layer, "ngroups", 1);
  states.conv_kernel = read_bounded(layer, "d_conv", 4);
  states.conv_bias = layer.boolean("conv_bias").value_or(true);
  states.projection_bias = layer.boolean("bias").value_or(false);
  read_step_limits(layer, "dt_limit", states);
  require_flag(layer, "norm_before_gate", false);
  require_flag(layer, "D_has_hdim", false);
  require_flag(layer, "rmsnorm", true);
  refuse_unknown_keys(layer);
  config.norm_eps = json.number("norm_epsilon").value_or(1e-5);
  states.tied_head = json.boolean("tie_embeddings").value_or(true);
  complete(json, inner, config);
  return config;
}

EncoderConfig read_mamba2_config(const JsonObject& json) {
  return json.contains("ssm_cfg") ? read_authors_config(json) : read_transformers_config(json);
}

WeightNames mamba2_names(const std::string& word_embeddings) {
  WeightNames names;
  names.prefixes = {"backbone."};
  names.word_embeddings = word_embeddings;
  names.final_norm = "norm_f";
  names.attention_norm = "layers.{}.norm";
  names.state_input = "layers.{}.mixer.in_proj";
  names.state_convolution = "layers.{}.mixer.conv1d";
  names.state_step_bias = "layers.{}.mixer.dt_bias";
  names.state_decay = "layers.{}.mixer.A_log";
  names.state_skip = "layers.{}.mixer.D";
  names.state_norm = "layers.{}.mixer.norm";
  names.state_output = "layers.{}.mixer.out_proj";
  return names;
}

}  // namespace

Family mamba2_family() {
  return {{"mamba2"}, read_mamba2_config, {mamba2_names("embeddings"), mamba2_names("embedding")}};
}

}  // namespace treble::internal
