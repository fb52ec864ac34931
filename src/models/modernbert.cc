// ModernBERT (Warner et al., arXiv 2412.13663): pre-norm, rotary positions, gated feed-forward; two of three layers see
// a local window only and have a rotary base of their own.
#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"
#include "models/rotary_keys.h"

namespace treble::internal {

namespace {

EncoderConfig read_modernbert_config(const JsonObject& json) {
  EncoderConfig config =
      read_sizes(json, {.vocab_size = 50368, .num_layers = 22, .intermediate_size = 1152, .num_positions = 8192});
  read_rotary_by_layer(json,
                       {.base_key = "global_rope_theta",
                        .base = 160000,
                        .local_base_key = "local_rope_theta",
                        .local_base = 10000,
                        .scales_local = true},
                       config);
  const std::int64_t half_window = json.integer("local_attention").value_or(128) / 2;
  // transformers takes it for half of "local_attention", whatever that says.
  config.window.left = config.window.right = json.integer("sliding_window").value_or(half_window);
  if (const auto layers = read_layer_types(json, config.num_layers)) {
    config.window.layers = *layers;
  } else {
    const std::int64_t every = read_divisor(json, "global_attn_every_n_layers", 3);
    for (std::int64_t layer = 0; layer < config.num_layers; ++layer) config.window.layers.push_back(layer % every != 0);
  }
  config.norm_placement = NormPlacement::pre;
  config.norm_bias = json.boolean("norm_bias").value_or(false);
  config.first_attention_norm = false;
  config.final_norm = true;
  config.norm_eps = json.number("norm_eps").value_or(1e-5);
  config.qkv_bias = config.output_bias = json.boolean("attention_bias").value_or(false);
  config.up_bias = config.down_bias = json.boolean("mlp_bias").value_or(false);
  config.activation = read_activation(json, "hidden_activation");
  config.gated = true;
  return config;
}

HeadConfig modernbert_head(const JsonObject& json) {
  const std::string pooling = json.string("classifier_pooling").value_or("cls");
  if (pooling != "cls" && pooling != "mean") {
    fail_at(json, ErrorCode::unsupported, R"("classifier_pooling" is "{:.60}"; there are cls and mean)", pooling);
  }
  return {.pooling = pooling == "cls" ? PoolingMode::cls : PoolingMode::mean,
          .dense = "head.dense",
          .dense_bias = json.boolean("classifier_bias").value_or(false),
          .activation = read_activation(json, "classifier_activation"),
          .norm = "head.norm",
          .norm_bias = json.boolean("norm_bias").value_or(false),
          .norm_eps = json.number("norm_eps").value_or(1e-5)};
}

MaskedLmHeadConfig modernbert_masked_lm_head(const JsonObject& json) {
  return {.dense = "head.dense",
          .dense_bias = json.boolean("classifier_bias").value_or(false),
          .activation = read_activation(json, "classifier_activation"),
          .norm = "head.norm",
          .norm_bias = json.boolean("norm_bias").value_or(false),
          .norm_eps = json.number("norm_eps").value_or(1e-5),
          .decoder = "decoder",
          .decoder_bias = json.boolean("decoder_bias").value_or(true)};
}

}  // namespace

Family modernbert_family() {
  WeightNames names;
  names.prefixes = {"model."};
  names.word_embeddings = "embeddings.tok_embeddings";
  names.embedding_norm = "embeddings.norm";
  names.final_norm = "final_norm";
  names.qkv = "layers.{}.attn.Wqkv";
  names.attention_output = "layers.{}.attn.Wo";
  names.attention_norm = "layers.{}.attn_norm";
  names.gate_up = "layers.{}.mlp.Wi";
  names.down = "layers.{}.mlp.Wo";
  names.feed_forward_norm = "layers.{}.mlp_norm";
  return {{"modernbert"}, read_modernbert_config, {names}, nullptr, modernbert_head, modernbert_masked_lm_head};
}

}  // namespace treble::internal
