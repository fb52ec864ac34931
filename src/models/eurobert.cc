// EuroBERT (Boizard et al., arXiv 2503.05500): Llama's pre-norm blocks attending both ways; and UltraBERT, the same
// with a local window and a rotary base of their own in two of three layers.
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"
#include "models/rotary_keys.h"

namespace treble::internal {

namespace {

/// What both have in common, after the sizes.
void read_eurobert_block(const JsonObject& json, double norm_eps, EncoderConfig& config) {
  config.num_kv_heads = read_kv_heads(json, config.num_heads, 0);
  config.head_dim = json.integer("head_dim").value_or(0);
  config.embedding_norm = false;
  config.norm_kind = NormKind::rms;
  config.norm_placement = NormPlacement::pre;
  config.norm_bias = false;
  config.final_norm = true;
  config.norm_eps = json.number("rms_norm_eps").value_or(norm_eps);
  config.qkv_bias = config.output_bias = json.boolean("attention_bias").value_or(false);
  config.up_bias = config.down_bias = json.boolean("mlp_bias").value_or(false);
  config.activation = read_activation(json, "hidden_act", "silu");
  config.gated = true;
}

EncoderConfig read_eurobert_config(const JsonObject& json) {
  EncoderConfig config = read_sizes(json, {.vocab_size = 128256, .num_positions = 8192});
  read_eurobert_block(json, 1e-5, config);
  read_rotary(json, {}, config);
  return config;
}

/// A list of a number a layer, as UltraBERT's published configs have them; empty where the key is absent.
std::vector<double> read_layer_numbers(const JsonObject& json, const char* key, std::int64_t num_layers) {
  const nlohmann::json* values = json.find(key);
  std::vector<double> numbers;
  if (values == nullptr) return numbers;
  if (values->is_array()) {
    for (const auto& value : *values) {
      // A layer without a window has null, or 0.
      if (value.is_number() || value.is_null()) numbers.push_back(value.is_null() ? 0 : value.get<double>());
    }
  }
  if (values->is_array() && values->size() == numbers.size() && std::cmp_equal(numbers.size(), num_layers)) {
    return numbers;
  }
  fail_at(json, ErrorCode::invalid_file, "\"{}\" must be a list of {} numbers, one a layer", key, num_layers);
}

/// "attention_windows", a radius a layer, wins over "sliding_window", but "layer_types" over which layers have one.
void read_ultrabert_windows(const JsonObject& json, EncoderConfig& config) {
  const std::vector<double> windows = read_layer_numbers(json, "attention_windows", config.num_layers);
  auto radius = static_cast<double>(json.integer("sliding_window").value_or(128));
  bool found = false;
  for (const double window : windows) {
    if (window == 0) continue;
    if (found && window != radius) {
      fail_at(json, ErrorCode::unsupported, "\"attention_windows\" has windows of {} and of {}; only one is supported",
              radius, window);
    }
    found = true;
    radius = window;
  }
  if (!(radius >= 0 && radius < static_cast<double>(AttentionInputs::kUnlimited))) {
    fail_at(json, ErrorCode::invalid_file, "a local window of {} tokens on each side", radius);
  }
  config.window.left = config.window.right = static_cast<std::int64_t>(radius);
  if (const auto layers = read_layer_types(json, config.num_layers)) {
    config.window.layers = *layers;
    return;
  }
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    config.window.layers.push_back(windows.empty() ? (layer + 1) % 3 != 0
                                                   : windows[static_cast<std::size_t>(layer)] != 0);
  }
}

/// The old form, which has a base a layer; transformers knows one a kind of layer.
void read_layer_bases(const JsonObject& json, const EncoderConfig& config, RotaryLayerKeys& keys) {
  std::array<double, 2> bases{keys.base, keys.local_base};
  std::array<bool, 2> stated{};
  const std::vector<double> by_layer = read_layer_numbers(json, "rope_theta", config.num_layers);
  for (std::size_t layer = 0; layer < by_layer.size(); ++layer) {
    const std::size_t kind = config.is_local(static_cast<std::int64_t>(layer)) ? 1 : 0;
    if (stated[kind] && bases[kind] != by_layer[layer]) {
      fail_at(json, ErrorCode::unsupported,
              "\"rope_theta\" is {} and {} for layers of one kind; only one base a kind is supported", bases[kind],
              by_layer[layer]);
    }
    stated[kind] = true;
    bases[kind] = by_layer[layer];
  }
  keys.base = bases[0];
  keys.local_base = bases[1];
}

void read_ultrabert_rotary(const JsonObject& json, EncoderConfig& config) {
  RotaryLayerKeys keys{.base = 2560000, .local_base = 10000};
  if (const nlohmann::json* scaling = json.find("rope_scaling"); scaling != nullptr && !scaling->empty()) {
    fail_at(json, ErrorCode::unsupported, R"("rope_scaling" is not supported for ultrabert; write "rope_parameters")");
  }
  if (json.find("rope_parameters") == nullptr) read_layer_bases(json, config, keys);
  read_rotary_by_layer(json, keys, config);
}

EncoderConfig read_ultrabert_config(const JsonObject& json) {
  EncoderConfig config = read_sizes(json, {.vocab_size = 32000,
                                           .hidden_size = 4096,
                                           .num_layers = 32,
                                           .num_heads = 32,
                                           .intermediate_size = 11008,
                                           .num_positions = 32768});
  read_eurobert_block(json, 1e-6, config);
  read_ultrabert_windows(json, config);
  read_ultrabert_rotary(json, config);
  return config;
}

}  // namespace

Family eurobert_family() { return {{"eurobert"}, read_eurobert_config, {llama_names({"model."})}}; }

Family ultrabert_family() { return {{"ultrabert"}, read_ultrabert_config, {llama_names({"model.", "ultrabert."})}}; }

}  // namespace treble::internal
