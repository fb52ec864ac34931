// RoBERTa (Liu et al., arXiv 1907.11692), XLM-R (Conneau et al., arXiv 1911.02116), CamemBERT (Martin et al., arXiv
// 1911.03894): BERT's tensors with positions that begin after the padding token's.
#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble::internal {

namespace {

EncoderConfig read_roberta_config(const JsonObject& json) {
  require_value(json, "position_embedding_type", "absolute");
  const bool roberta = json.string("model_type").value_or("") == "roberta";
  EncoderConfig config = read_bert_like_config(json, {.sizes = {.vocab_size = roberta ? 50265 : 30522}});
  const std::int64_t padding_id = json.integer("pad_token_id").value_or(1);
  if (padding_id < 0) {
    fail_at(json, ErrorCode::invalid_file, "\"pad_token_id\" is {}; positions begin after it, so it must be at least 0",
            padding_id);
  }
  config.position_offset = padding_id + 1;
  config.padding_idx = static_cast<std::int32_t>(padding_id);
  return config;
}

}  // namespace

/// Its activation is no setting.
MaskedLmHeadConfig roberta_masked_lm_head(const JsonObject& json) {
  return {.dense = "lm_head.dense",
          .norm = "lm_head.layer_norm",
          .norm_eps = json.number("layer_norm_eps").value_or(1e-12),
          .decoder = "lm_head.decoder",
          .tied_bias = "lm_head.bias"};
}

Family roberta_family() {
  Family family = bert_family();
  family.model_types = {"roberta", "xlm-roberta", "camembert"};
  family.read_config = read_roberta_config;
  family.read_head = two_layer_head;
  family.read_masked_lm_head = roberta_masked_lm_head;
  family.names.front().prefixes = {"roberta.", "model."};
  return family;
}

}  // namespace treble::internal
