#include "base/fail.h"
#include "models/family.h"

namespace treble {

Activation read_activation(const JsonObject& json, const char* key) {
  const std::string name = json.string(key).value_or("gelu");
  if (const auto activation = activation_from_name(name)) return *activation;
  fail(ErrorCode::unsupported, "{}: \"{}\" is \"{}\"; supported are gelu, gelu_new, gelu_pytorch_tanh, relu, silu",
       json.origin(), key, name);
}

EncoderConfig read_bert_like_config(const JsonObject& json) {
  const std::string positions = json.string("position_embedding_type").value_or("absolute");
  if (positions != "absolute") {
    fail(ErrorCode::unsupported, "{}: \"position_embedding_type\" is \"{}\"; only \"absolute\" is supported",
         json.origin(), positions);
  }
  if (json.boolean("is_decoder").value_or(false)) {
    fail(ErrorCode::unsupported, "{}: \"is_decoder\" is true; this family is supported as an encoder only", json.origin());
  }
  EncoderConfig config;
  config.vocab_size = json.required_integer("vocab_size");
  config.hidden_size = json.required_integer("hidden_size");
  config.num_layers = json.required_integer("num_hidden_layers");
  config.num_heads = json.required_integer("num_attention_heads");
  config.intermediate_size = json.required_integer("intermediate_size");
  config.num_positions = json.integer("max_position_embeddings").value_or(512);
  config.activation = read_activation(json, "hidden_act");
  config.norm_eps = json.number("layer_norm_eps").value_or(1e-12);
  return config;
}

}  // namespace treble
