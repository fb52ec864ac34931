// Jina Embeddings v3 (Sturua et al., arXiv 2409.10173): XLM-R's post-norm blocks with rotary positions in place of a
// learned table. In transformers' form, and in that of its published code, whose model_type is XLM-R's.
#include <fmt/format.h>

#include <string>

#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"
#include "models/rotary_keys.h"

namespace treble::internal {

namespace {

constexpr const char* kNative = "jina_embeddings_v3";

bool is_jina_v3(const JsonObject& json) {
  return json.string("model_type") == kNative || json.string("position_embedding_type").value_or("") == "rotary";
}

/// The published code has its base under a key of its own.
void read_published_positions(const JsonObject& json, EncoderConfig& config) {
  const auto base = json.number("rotary_emb_base");
  if (!base || !(*base > 0)) {
    fail_at(json, ErrorCode::invalid_file,
            R"("position_embedding_type" is "rotary", which needs "rotary_emb_base", a number above 0; it is {})",
            base ? fmt::format("{}", *base) : "missing");
  }
  config.rotary.base = *base;
}

EncoderConfig read_jina_v3_config(const JsonObject& json) {
  EncoderConfig config = read_bert_like_config(json, {.sizes = {.vocab_size = 250002,
                                                                .hidden_size = 1024,
                                                                .num_layers = 24,
                                                                .num_heads = 16,
                                                                .intermediate_size = 4096,
                                                                .num_positions = 8194},
                                                      .num_token_types = 1,
                                                      .norm_eps = 1e-5});
  config.learned_positions = false;
  config.head_dim = json.integer("head_dim").value_or(0);
  if (json.string("model_type") == kNative) {
    read_rotary(json, {.base = 20000}, config);
  } else {
    read_published_positions(json, config);
  }
  return config;
}

/// What both forms call the same.
WeightNames common_names() {
  WeightNames names;
  names.prefixes = {"roberta.", "model."};
  names.word_embeddings = "embeddings.word_embeddings";
  names.token_type_embeddings = "embeddings.token_type_embeddings";
  return names;
}

WeightNames published_names() {
  WeightNames names = common_names();
  names.embedding_norm = "emb_ln";
  names.qkv = "encoder.layers.{}.mixer.Wqkv";
  names.attention_output = "encoder.layers.{}.mixer.out_proj";
  names.attention_norm = "encoder.layers.{}.norm1";
  names.up = "encoder.layers.{}.mlp.fc1";
  names.down = "encoder.layers.{}.mlp.fc2";
  names.feed_forward_norm = "encoder.layers.{}.norm2";
  return names;
}

WeightNames native_names() {
  WeightNames names = common_names();
  names.embedding_norm = "embeddings.LayerNorm";
  names.query = "layers.{}.self_attn.q_proj";
  names.key = "layers.{}.self_attn.k_proj";
  names.value = "layers.{}.self_attn.v_proj";
  names.attention_output = "layers.{}.self_attn.o_proj";
  names.attention_norm = "layers.{}.post_attention_layernorm";
  names.up = "layers.{}.mlp.fc1";
  names.down = "layers.{}.mlp.fc2";
  names.feed_forward_norm = "layers.{}.post_mlp_layernorm";
  return names;
}

}  // namespace

Family jina_v3_family() {
  return {{kNative, "xlm-roberta"}, read_jina_v3_config, {native_names(), published_names()}, is_jina_v3};
}

}  // namespace treble::internal
