// The encoder of T5 (Raffel et al., arXiv 1910.10683), as GTR and sentence-T5 use it: pre-norm with RMS norms, relative
// position bias shared by all layers, logits not divided by √d, no biases.
#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble {

namespace {

EncoderConfig read_config(const JsonObject& json) {
  EncoderConfig config;
  config.vocab_size = json.required_integer("vocab_size");
  config.hidden_size = json.required_integer("d_model");
  config.num_layers = json.required_integer("num_layers");
  config.num_heads = json.required_integer("num_heads");
  config.head_dim = json.required_integer("d_kv");
  config.intermediate_size = json.required_integer("d_ff");
  // "n_positions" of older configs is read by nobody.
  config.num_positions = EncoderConfig::kPracticalLimit;
  config.unlimited_positions = true;
  config.relative_buckets.num_buckets = json.integer("relative_attention_num_buckets").value_or(32);
  config.relative_buckets.max_distance = json.integer("relative_attention_max_distance").value_or(128);
  config.embedding_norm = false;
  config.norm_kind = NormKind::rms;
  config.norm_placement = NormPlacement::pre;
  config.norm_bias = false;
  config.final_norm = true;
  config.norm_eps = json.number("layer_norm_epsilon").value_or(1e-6);
  config.qk_scale = 1;
  config.qkv_bias = config.output_bias = config.up_bias = config.down_bias = false;
  // "relu" or "gated-gelu"; the latter has always meant the tanh approximation.
  std::string projection = json.string("feed_forward_proj").value_or("relu");
  config.gated = projection.starts_with("gated-");
  if (config.gated) projection.erase(0, 6);
  const auto activation = activation_from_name(config.gated && projection == "gelu" ? "gelu_new" : projection);
  if (!activation) {
    fail(ErrorCode::unsupported, "{}: \"feed_forward_proj\" is \"{}\"; supported are relu, gated-gelu, gated-silu",
         json.origin(), json.required_string("feed_forward_proj"));
  }
  config.activation = *activation;
  return config;
}

}  // namespace

Family t5_family() {
  WeightNames names;
  names.prefixes = {"model."};
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
  return {{"t5", "mt5", "umt5"}, read_config, {names, gated, tied, tied_gated}};
}

}  // namespace treble
