// DeBERTa v2 and v3 (He et al., arXiv 2006.03654, 2111.09543): BERT's blocks with disentangled attention.
#include <algorithm>
#include <cctype>
#include <sstream>
#include <string>
#include <vector>

#include "base/fail.h"
#include "base/json_text.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble::internal {

namespace {

std::string lower_case(std::string text) {
  for (char& letter : text) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return text;
}

/// "pos_att_type" is "c2p|p2c" or a list of the two.
std::vector<std::string> read_terms(const JsonObject& json) {
  const nlohmann::json* types = json.find("pos_att_type");
  std::vector<std::string> terms;
  if (types == nullptr) return terms;
  if (types->is_array()) {
    for (const nlohmann::json& type : *types)
      terms.push_back(type.is_string() ? type.get<std::string>() : json_text(type));
    return terms;
  }
  std::istringstream text(lower_case(json.string("pos_att_type").value_or("")));
  for (std::string term; std::getline(text, term, '|');) {
    std::erase(term, ' ');
    terms.push_back(term);
  }
  return terms;
}

bool has_term(const std::vector<std::string>& terms, const char* term) {
  return std::find(terms.begin(), terms.end(), term) != terms.end();
}

/// Of the xlarge models.
void read_convolution(const JsonObject& json, EncoderConfig& config) {
  config.convolution_kernel = std::max<std::int64_t>(0, json.integer("conv_kernel_size").value_or(0));
  if (config.convolution_kernel == 0) return;
  if (config.convolution_kernel % 2 == 0 || config.convolution_kernel > 127) {
    fail_at(json, ErrorCode::invalid_file, "\"conv_kernel_size\" is {}; it must be odd, from 1 to 127",
            config.convolution_kernel);
  }
  if (json.integer("conv_groups").value_or(1) != 1) {
    fail_at(json, ErrorCode::unsupported, "\"conv_groups\" is {}; only 1 is supported",
            json.required_integer("conv_groups"));
  }
  config.convolution_activation = read_activation(json, "conv_act", "tanh");
}

void read_disentangled(const JsonObject& json, EncoderConfig& config) {
  DisentangledConfig& relative = config.disentangled;
  const auto terms = read_terms(json);
  // They widen the scale of the logits even where there are no relative positions.
  relative.content_to_position = has_term(terms, "c2p");
  relative.position_to_content = has_term(terms, "p2c");
  relative.enabled = json.boolean("relative_attention").value_or(false);
  relative.share_key = json.boolean("share_att_key").value_or(false);
  relative.normalize_embeddings =
      lower_case(json.string("norm_rel_ebd").value_or("none")).find("layer_norm") != std::string::npos;
  relative.buckets = std::max<std::int64_t>(0, json.integer("position_buckets").value_or(-1));
  relative.max_relative = json.integer("max_relative_positions").value_or(-1);
  if (relative.max_relative < 1) relative.max_relative = config.num_positions;
  if (!relative.enabled || relative.buckets == 0) return;
  if (relative.buckets < 2 || relative.max_relative - 1 <= relative.buckets / 2) {
    fail_at(json, ErrorCode::invalid_file,
            "{} position buckets over {} relative positions; there must be at least 2, and more than half as many "
            "positions beyond the first",
            relative.buckets, relative.max_relative);
  }
}

void require_hidden_width(const JsonObject& json, const char* key, std::int64_t value, std::int64_t required) {
  if (json.integer(key).value_or(required) == required && value > 0) return;
  fail_at(json, ErrorCode::unsupported, "\"{}\" is {}; only {} is supported for a hidden size of {}", key,
          json.integer(key).value_or(0), required, value);
}

EncoderConfig read_deberta_v2_config(const JsonObject& json) {
  EncoderConfig config = read_bert_like_config(json, {.sizes = {.vocab_size = 128100,
                                                                .hidden_size = 1536,
                                                                .num_layers = 24,
                                                                .num_heads = 24,
                                                                .intermediate_size = 6144},
                                                      .num_token_types = 0,
                                                      .norm_eps = 1e-7});
  read_convolution(json, config);
  require_hidden_width(json, "embedding_size", config.hidden_size, config.hidden_size);
  if (config.num_heads > 0) {
    require_hidden_width(json, "attention_head_size", config.hidden_size, config.hidden_size / config.num_heads);
  }
  config.learned_positions = json.boolean("position_biased_input").value_or(true);
  config.unlimited_positions = !config.learned_positions;
  read_disentangled(json, config);
  return config;
}

/// ContextPooler, and a classifier.
HeadConfig deberta_v2_head(const JsonObject& json) {
  return {.dense = "pooler.dense", .activation = read_activation(json, "pooler_hidden_act")};
}

}  // namespace

Family deberta_v2_family() {
  Family family = bert_family();
  family.model_types = {"deberta-v2"};
  family.read_config = read_deberta_v2_config;
  family.read_head = deberta_v2_head;
  family.read_masked_lm_head = nullptr;  // two forms of it go by the same config
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

}  // namespace treble::internal
