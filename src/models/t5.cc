// The encoder of T5 (Raffel et al., arXiv 1910.10683), as GTR and sentence-T5 use it: pre-norm with RMS norms, relative
// position bias shared by all layers (one in every layer in umT5; Chung et al., arXiv 2304.09151), logits not divided
// by √d, no biases.
#include <fmt/ranges.h>

#include <algorithm>
#include <string>

#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble::internal {

namespace {

/// "relu" or "gated-gelu"; the latter has always meant the tanh approximation. What saved configs say besides under
/// "dense_act_fn" and "is_gated_act" wins.
void read_feed_forward(const JsonObject& json, const char* fallback, EncoderConfig& config) {
  const std::string projection = json.string("feed_forward_proj").value_or(fallback);
  const std::string name = projection == "gated-gelu" ? "gelu_new" : projection.substr(projection.find('-') + 1);
  config.gated = json.boolean("is_gated_act").value_or(projection.starts_with("gated-"));
  const auto dashes = std::count(projection.begin(), projection.end(), '-');
  if (dashes > 1 || (dashes == 1 && !projection.starts_with("gated-"))) {
    fail_at(json, ErrorCode::unsupported,
            R"("feed_forward_proj" is "{}"; it must be an activation or gated-activation)", projection);
  }
  const auto activation = activation_from_name(name);
  if (!activation && !json.string("dense_act_fn")) {
    fail_at(json, ErrorCode::unsupported, "\"feed_forward_proj\" is \"{}\"; supported are {}, each also as gated-…",
            projection, fmt::join(activation_names(), ", "));
  }
  config.activation = read_activation(json, "dense_act_fn", name.c_str());
}

EncoderConfig read_t5_config(const JsonObject& json) {
  const bool first = json.string("model_type").value_or("") == "t5";
  // transformers does nothing with the "n_positions" of older configs.
  EncoderConfig config = read_sizes(json,
                                    {.vocab_size = first ? 32128 : 250112,
                                     .hidden_size = 512,
                                     .num_layers = first ? 6 : 8,
                                     .num_heads = first ? 8 : 6,
                                     .intermediate_size = first ? 2048 : 1024,
                                     .num_positions = EncoderConfig::kPracticalLimit},
                                    {.hidden_size = {"hidden_size", "d_model"},
                                     .num_layers = {"num_hidden_layers", "num_layers"},
                                     .num_heads = {"num_attention_heads", "num_heads"},
                                     .intermediate_size = {"d_ff"},
                                     .num_positions = {}});
  config.head_dim = read_size(json, {"head_dim", "d_kv"}, 64);
  config.unlimited_positions = true;
  config.relative_buckets.num_buckets = read_divisor(json, "relative_attention_num_buckets", 32);
  config.relative_buckets.max_distance = json.integer("relative_attention_max_distance").value_or(128);
  config.embedding_norm = false;
  config.norm_kind = NormKind::rms;
  config.norm_placement = NormPlacement::pre;
  config.norm_bias = false;
  config.final_norm = true;
  config.norm_eps = json.number("layer_norm_epsilon").value_or(1e-6);
  config.qk_scale = 1;
  config.qkv_bias = config.output_bias = config.up_bias = config.down_bias = false;
  read_feed_forward(json, first ? "relu" : "gated-gelu", config);
  return config;
}

EncoderConfig read_umt5_config(const JsonObject& json) {
  EncoderConfig config = read_t5_config(json);
  config.bias_per_layer = true;
  return config;
}

}  // namespace

Family t5_family() {
  WeightNames names;
  names.prefixes = {"model.", "transformer."};
  names.word_embeddings = "shared";
  const std::string attention = "encoder.block.{}.layer.0.";
  const std::string feed_forward = "encoder.block.{}.layer.1.";
  names.relative_bias = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias";
  names.final_norm = "encoder.final_layer_norm";
  names.query = attention + "SelfAttention.q";
  names.key = attention + "SelfAttention.k";
  names.value = attention + "SelfAttention.v";
  names.attention_output = attention + "SelfAttention.o";
  names.attention_norm = attention + "layer_norm";
  names.up = feed_forward + "DenseReluDense.wi";
  names.down = feed_forward + "DenseReluDense.wo";
  names.feed_forward_norm = feed_forward + "layer_norm";
  WeightNames gated = names;
  gated.gate = feed_forward + "DenseReluDense.wi_0";
  gated.up = feed_forward + "DenseReluDense.wi_1";
  // Some checkpoints keep the tied embeddings under the encoder's name alone.
  WeightNames tied = names;
  tied.word_embeddings = "encoder.embed_tokens";
  WeightNames tied_gated = gated;
  tied_gated.word_embeddings = "encoder.embed_tokens";
  return {{"t5", "mt5"}, read_t5_config, {names, gated, tied, tied_gated}};
}

Family umt5_family() {
  Family family = t5_family();
  family.model_types = {"umt5"};
  family.read_config = read_umt5_config;
  for (WeightNames& names : family.names) {
    names.relative_bias = "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias";
  }
  return family;
}

}  // namespace treble::internal
