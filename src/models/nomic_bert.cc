// NomicBERT (Nussbaum et al., arXiv 2402.01613): BERT's post-norm blocks with rotary positions, SwiGLU and no biases.
// Its config speaks GPT's language.
#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble {

namespace {

std::int64_t either(const JsonObject& json, const char* key, const char* other) {
  if (const auto value = json.integer(key)) return *value;
  return json.required_integer(other);
}

EncoderConfig read_config(const JsonObject& json) {
  require_flag(json, "prenorm", false);
  require_flag(json, "parallel_block", false);
  require_flag(json, "rotary_emb_interleaved", false);
  require_flag(json, "use_rms_norm", false);
  require_flag(json, "causal", false);
  if (json.number("rotary_emb_fraction").value_or(1.0) != 1.0 || json.integer("num_experts").value_or(0) > 0) {
    fail(ErrorCode::unsupported, "{}: partial rotary positions and mixtures of experts are not supported",
         json.origin());
  }
  EncoderConfig config;
  config.vocab_size = json.required_integer("vocab_size");
  config.hidden_size = either(json, "n_embd", "hidden_size");
  config.num_layers = either(json, "n_layer", "num_hidden_layers");
  config.num_heads = either(json, "n_head", "num_attention_heads");
  config.intermediate_size = either(json, "n_inner", "intermediate_size");
  config.num_positions = either(json, "n_positions", "max_position_embeddings");
  config.num_token_types = json.integer("type_vocab_size").value_or(2);
  config.rotary = read_rotary(json, json.number("rotary_emb_base").value_or(10000), "full_attention");
  config.norm_eps = json.number("layer_norm_epsilon").value_or(json.number("layer_norm_eps").value_or(1e-12));
  const std::string activation =
      json.string("activation_function").value_or(json.string("hidden_act").value_or("swiglu"));
  config.gated = activation == "swiglu" || activation == "geglu" || activation == "silu";
  if (!config.gated) {
    fail(ErrorCode::unsupported, "{}: activation \"{}\"; supported are swiglu and geglu", json.origin(), activation);
  }
  config.activation = activation == "geglu" ? Activation::gelu : Activation::silu;
  config.qkv_bias = config.output_bias =
      json.boolean("qkv_proj_bias").value_or(json.boolean("attention_bias").value_or(false));
  config.up_bias = json.boolean("mlp_fc1_bias").value_or(json.boolean("mlp_bias").value_or(false));
  config.down_bias = json.boolean("mlp_fc2_bias").value_or(json.boolean("mlp_bias").value_or(false));
  return config;
}

}  // namespace

Family nomic_bert_family() {
  WeightNames names;
  names.prefixes = {"model.", "bert."};
  names.word_embeddings = "embeddings.word_embeddings";
  names.token_type_embeddings = "embeddings.token_type_embeddings";
  names.embedding_norm = "emb_ln";
  names.qkv = "encoder.layers.{}.attn.Wqkv";
  names.attention_output = "encoder.layers.{}.attn.out_proj";
  names.attention_norm = "encoder.layers.{}.norm1";
  // What is multiplied comes from fc11, what passes through the activation from fc12.
  names.gate = "encoder.layers.{}.mlp.fc12";
  names.up = "encoder.layers.{}.mlp.fc11";
  names.down = "encoder.layers.{}.mlp.fc2";
  names.feed_forward_norm = "encoder.layers.{}.norm2";
  return {{"nomic_bert"}, read_config, {names}};
}

}  // namespace treble
