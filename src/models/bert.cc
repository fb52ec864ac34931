// BERT (Devlin et al., arXiv 1810.04805).
#include "models/family.h"

namespace treble {

namespace {

EncoderConfig read_config(const JsonObject& json) {
  EncoderConfig config = read_bert_like_config(json);
  config.num_token_types = json.integer("type_vocab_size").value_or(2);
  return config;
}

}  // namespace

Family bert_family() {
  WeightNames names;
  names.prefixes = {"bert.", "model."};
  names.word_embeddings = "embeddings.word_embeddings";
  names.position_embeddings = "embeddings.position_embeddings";
  names.token_type_embeddings = "embeddings.token_type_embeddings";
  names.embedding_norm = "embeddings.LayerNorm";
  names.query = "encoder.layer.{}.attention.self.query";
  names.key = "encoder.layer.{}.attention.self.key";
  names.value = "encoder.layer.{}.attention.self.value";
  names.attention_output = "encoder.layer.{}.attention.output.dense";
  names.attention_norm = "encoder.layer.{}.attention.output.LayerNorm";
  names.up = "encoder.layer.{}.intermediate.dense";
  names.down = "encoder.layer.{}.output.dense";
  names.output_norm = "encoder.layer.{}.output.LayerNorm";
  return {{"bert"}, read_config, names};
}

}  // namespace treble
