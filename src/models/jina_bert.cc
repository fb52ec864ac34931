// JinaBERT v2 (Günther et al., arXiv 2310.19923): BERT with ALiBi (Press et al., arXiv 2108.12409) in both directions
// instead of positions, and a gated feed-forward network. Its config calls itself "bert".
#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble::internal {

namespace {

bool claims(const JsonObject& json) {
  const nlohmann::json* type = json.find("position_embedding_type");
  return type != nullptr && *type == "alibi";
}

EncoderConfig read_jina_bert_config(const JsonObject& json) {
  EncoderConfig config = read_bert_like_config(json);
  config.learned_positions = false;
  config.alibi = true;
  config.unlimited_positions = true;
  const std::string kind = json.string("feed_forward_type").value_or("original");
  if (kind != "geglu" && kind != "reglu") {
    fail_at(json, ErrorCode::unsupported,
            R"("feed_forward_type" is "{}" ("original" where it is absent); supported are geglu and reglu)", kind);
  }
  config.gated = true;
  config.activation = kind == "reglu" ? Activation::relu : Activation::gelu;
  config.up_bias = false;
  return config;
}

}  // namespace

Family jina_bert_family() {
  Family family = bert_family();
  family.read_masked_lm_head = nullptr;
  family.model_types = {"bert", "jina_bert"};
  family.read_config = read_jina_bert_config;
  family.claims = claims;
  WeightNames& names = family.names.front();
  names.position_embeddings.clear();
  names.up.clear();
  names.gate_up = "encoder.layer.{}.mlp.gated_layers";
  names.down = "encoder.layer.{}.mlp.wo";
  names.feed_forward_norm = "encoder.layer.{}.mlp.layernorm";
  return family;
}

}  // namespace treble::internal
