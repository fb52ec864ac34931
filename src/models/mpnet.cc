// MPNet (Song et al., arXiv 2004.09297): RoBERTa's positions, no token types, and a relative position bias that all
// layers share.
#include "models/config_keys.h"
#include "models/family.h"

namespace treble::internal {

namespace {

EncoderConfig read_mpnet_config(const JsonObject& json) {
  EncoderConfig config = read_bert_like_config(json, {.sizes = {.vocab_size = 30527}});
  constexpr std::int32_t kPaddingId = 1;  // fixed by the published model, whatever the config says
  config.num_token_types = 0;
  config.position_offset = kPaddingId + 1;
  config.padding_idx = kPaddingId;
  // The table has as many rows as the config says, of which the published code uses these 32.
  config.relative_buckets.num_buckets = 32;
  config.relative_buckets.table_rows = json.integer("relative_attention_num_buckets").value_or(32);
  return config;
}

}  // namespace

Family mpnet_family() {
  WeightNames names;
  names.prefixes = {"mpnet.", "model."};
  names.word_embeddings = "embeddings.word_embeddings";
  names.position_embeddings = "embeddings.position_embeddings";
  names.embedding_norm = "embeddings.LayerNorm";
  names.relative_bias = "encoder.relative_attention_bias";
  names.query = "encoder.layer.{}.attention.attn.q";
  names.key = "encoder.layer.{}.attention.attn.k";
  names.value = "encoder.layer.{}.attention.attn.v";
  names.attention_output = "encoder.layer.{}.attention.attn.o";
  names.attention_norm = "encoder.layer.{}.attention.LayerNorm";
  names.up = "encoder.layer.{}.intermediate.dense";
  names.down = "encoder.layer.{}.output.dense";
  names.feed_forward_norm = "encoder.layer.{}.output.LayerNorm";
  return {{"mpnet"}, read_mpnet_config, {names}, nullptr, two_layer_head, roberta_masked_lm_head};
}

}  // namespace treble::internal
