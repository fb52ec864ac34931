#include "models/encoder_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace treble::internal {

namespace {

std::string describe_rotary(const RotaryConfig& rotary) {
  std::string text = fmt::format("base {:g}", rotary.base);
  if (rotary.scaling == RotaryScaling::none) return text;
  text += fmt::format(", {} scaling", rotary_scaling_name(rotary.scaling));
  if (rotary.scaling != RotaryScaling::longrope) text += fmt::format(" by {:g}", rotary.factor);
  if (rotary.attention_factor != 1) text += fmt::format(", attention factor {:g}", rotary.attention_factor);
  return text;
}

std::string describe_positions(const EncoderConfig& config) {
  if (config.learned_positions) {
    return config.position_offset == 0
               ? fmt::format("learned, {} rows", config.num_positions)
               : fmt::format("learned, {} rows, first token at {}", config.num_positions, config.position_offset);
  }
  if (config.rotary.base > 0) {
    std::string text = "rotary, " + describe_rotary(config.rotary);
    if (config.local_rotary) text += fmt::format(" ({} in local layers)", describe_rotary(*config.local_rotary));
    return text;
  }
  if (config.alibi) return "ALiBi in both directions";
  return "none of their own";
}

std::string describe_norm(const EncoderConfig& config) {
  const char* kind = config.norm_kind == NormKind::layer ? "layer norm" : "RMS norm";
  const char* place = config.norm_placement == NormPlacement::post  ? "after each residual"
                      : config.norm_placement == NormPlacement::pre ? "before each sublayer"
                                                                    : "before each sublayer and on its output";
  return fmt::format("{} {}, eps {:g}", kind, place, config.norm_eps);
}

std::string describe_heads(const EncoderConfig& config, const HeadSizes& heads) {
  if (heads.kv_heads == config.num_heads) return fmt::format("{}", heads.width);
  return fmt::format("{} on {} key-value heads", heads.width, heads.kv_heads);
}

std::string describe_attention(const EncoderConfig& config) {
  std::string text = fmt::format("{}, {} heads of {}", config.causal ? "causal" : "bidirectional", config.num_heads,
                                 describe_heads(config, config.heads_of(false)));
  if (config.local_heads) text += fmt::format(" (of {} in local layers)", describe_heads(config, *config.local_heads));
  if (config.qk_norm)
    text += config.value_norm ? ", queries, keys and values normalised" : ", queries and keys normalised";
  if (config.disentangled.enabled) text += ", disentangled";
  const auto local = std::count(config.window.layers.begin(), config.window.layers.end(), true);
  if (local > 0) {
    text += fmt::format(", {} of {} layers attend to {} tokens before", local, config.num_layers, config.window.left);
    if (!config.causal) text += fmt::format(" and {} after", config.window.right);
  }
  return text;
}

std::string describe_experts(const EncoderConfig& config) {
  const ExpertsConfig& experts = config.experts;
  const auto layers = std::count(experts.layers.begin(), experts.layers.end(), true);
  return fmt::format("{} of {} for each token, each {} wide, in {} of {} layers{}", experts.active, experts.count,
                     experts.width, layers, config.num_layers, experts.normalized ? ", weights that add up to 1" : "");
}

using Switches = std::vector<std::pair<std::string, std::string>>;

/// Of models whose layers have neither attention nor a feed-forward network.
Switches describe_state_space(const EncoderConfig& config) {
  const StateSpaceConfig& states = config.state_space;
  Switches switches;
  switches.emplace_back("positions", "none: the state carries the order");
  switches.emplace_back(
      "norm", fmt::format("RMS norm before each layer and, gated, before its output, eps {:g}", config.norm_eps));
  switches.emplace_back(
      "state",
      fmt::format("{} heads of {} x {} numbers, {} of B and C", config.num_heads, config.head_dim, states.state_size,
                  states.num_groups == 1 ? std::string("1 group") : fmt::format("{} groups", states.num_groups)));
  switches.emplace_back(
      "convolution", fmt::format("causal, over {} tokens, {}{}", states.conv_kernel, activation_name(config.activation),
                                 states.conv_bias ? "" : ", without bias"));
  if (states.min_step > 0 || std::isfinite(states.max_step)) {
    switches.emplace_back("time step", fmt::format("between {:g} and {:g}", states.min_step, states.max_step));
  }
  return switches;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe(const EncoderConfig& config) {
  if (config.state_space.enabled) return describe_state_space(config);
  if (config.is_static()) return {{"layers", "none: a table of token embeddings"}};
  Switches switches;
  switches.emplace_back("positions", describe_positions(config));
  if (config.relative_buckets.num_buckets > 0) {
    switches.emplace_back(
        "position bias",
        fmt::format("{} relative buckets up to distance {}{}", config.relative_buckets.num_buckets,
                    config.relative_buckets.max_distance, config.bias_per_layer ? ", a table in every layer" : ""));
  }
  switches.emplace_back("token types", config.num_token_types > 0 ? "yes, type 0" : "no");
  switches.emplace_back("norm", describe_norm(config));
  switches.emplace_back("feed-forward", fmt::format("{} wide, {}{}", config.intermediate_size,
                                                    config.gated ? "gated " : "", activation_name(config.activation)));
  if (config.experts.count > 0) switches.emplace_back("experts", describe_experts(config));
  switches.emplace_back("attention", describe_attention(config));
  if (config.convolution_kernel > 0) {
    switches.emplace_back("convolution", fmt::format("over {} tokens beside block 0, {}", config.convolution_kernel,
                                                     activation_name(config.convolution_activation)));
  }
  if (config.per_layer_width > 0) {
    switches.emplace_back("per-layer inputs",
                          fmt::format("{} wide, projected from the embeddings", config.per_layer_width));
  }
  if (config.output_size > 0) {
    switches.emplace_back("output", fmt::format("projected from {} to {}", config.hidden_size, config.output_size));
  }
  if (config.layer_groups() != config.num_layers) {
    switches.emplace_back("layers",
                          fmt::format("{} sharing the weights of {}", config.num_layers, config.layer_groups()));
  }
  return switches;
}

}  // namespace treble::internal
