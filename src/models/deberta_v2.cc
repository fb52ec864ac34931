// DeBERTa v2 and v3 (He et al., arXiv 2006.03654, 2111.09543): BERT's blocks with disentangled attention.
#include <algorithm>

#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble {

namespace {

/// "pos_att_type" is "c2p|p2c" or a list of the two.
bool has_term(const JsonObject& json, const std::string& term) {
  const auto types = json.value().find("pos_att_type");
  if (types == json.value().end() || types->is_null()) return false;
  return types->dump().find(term) != std::string::npos;
}

/// Of the xlarge models.
void read_convolution(const JsonObject& json, EncoderConfig& config) {
  config.convolution_kernel = json.integer("conv_kernel_size").value_or(0);
  if (config.convolution_kernel == 0) return;
  if (config.convolution_kernel < 0 || config.convolution_kernel % 2 == 0 || config.convolution_kernel > 127) {
    fail(ErrorCode::invalid_file, "{}: \"conv_kernel_size\" is {}; it must be odd, from 1 to 127", json.origin(),
         config.convolution_kernel);
  }
  if (json.integer("conv_groups").value_or(1) != 1) {
    fail(ErrorCode::unsupported, "{}: \"conv_groups\" is {}; only 1 is supported", json.origin(),
         json.required_integer("conv_groups"));
  }
  config.convolution_activation = read_activation(json, "conv_act", "tanh");
}

EncoderConfig read_config(const JsonObject& json) {
  EncoderConfig config = read_bert_like_config(json);
  read_convolution(json, config);
  config.num_token_types = json.integer("type_vocab_size").value_or(0);
  if (json.integer("embedding_size").value_or(config.hidden_size) != config.hidden_size) {
    fail(ErrorCode::unsupported, "{}: \"embedding_size\" is {}, the hidden size {}; only equal ones are supported",
         json.origin(), json.required_integer("embedding_size"), config.hidden_size);
  }
  config.learned_positions = json.boolean("position_biased_input").value_or(true);
  config.unlimited_positions = !config.learned_positions;
  config.norm_eps = json.number("layer_norm_eps").value_or(1e-7);
  if (!json.boolean("relative_attention").value_or(false)) return config;
  DisentangledConfig& relative = config.disentangled;
  relative.enabled = true;
  relative.content_to_position = has_term(json, "c2p");
  relative.position_to_content = has_term(json, "p2c");
  relative.share_key = json.boolean("share_att_key").value_or(false);
  relative.normalize_embeddings = json.string("norm_rel_ebd").value_or("none").find("layer_norm") != std::string::npos;
  relative.buckets = std::max<std::int64_t>(0, json.integer("position_buckets").value_or(-1));
  relative.max_relative = json.integer("max_relative_positions").value_or(-1);
  if (relative.max_relative < 1) relative.max_relative = config.num_positions;
  return config;
}

}  // namespace

Family deberta_v2_family() {
  Family family = bert_family();
  family.model_types = {"deberta-v2"};
  family.read_config = read_config;
  WeightNames& names = family.names.front();
  names.prefixes = {"deberta.", "model."};
  names.relative_embeddings = "encoder.rel_embeddings";
  names.relative_embeddings_norm = "encoder.LayerNorm";
  names.convolution = "encoder.conv.conv";
  names.convolution_norm = "encoder.conv.LayerNorm";
  names.query = "encoder.layer.{}.attention.self.query_proj";
  names.key = "encoder.layer.{}.attention.self.key_proj";
  names.value = "encoder.layer.{}.attention.self.value_proj";
  names.position_query = "encoder.layer.{}.attention.self.pos_query_proj";
  names.position_key = "encoder.layer.{}.attention.self.pos_key_proj";
  return family;
}

}  // namespace treble
