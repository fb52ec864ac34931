// The heads of decoders: transformers' GenericForSequenceClassification and …ForCausalLM.
#include "base/fail.h"
#include "models/family.h"

namespace treble::internal {

namespace {

bool is_gemma3(const JsonObject& json) { return json.required_string("model_type") == "gemma3_text"; }

/// What follows the last token that is no padding is left out, which changes nothing for tokens that do not see it.
void refuse_both_ways(const JsonObject& json) {
  const bool causal = json.boolean("is_causal").value_or(true);
  if (causal && !json.boolean("use_bidirectional_attention").value_or(false)) return;
  fail_at(json, ErrorCode::unsupported,
          R"(a reranker of a decoder that attends both ways ("{}"); there are those that attend causally)",
          causal ? "use_bidirectional_attention" : "is_causal");
}

}  // namespace

HeadConfig decoder_head(const JsonObject& json) {
  refuse_both_ways(json);
  HeadConfig head{.pooling = PoolingMode::last_token, .classifier = "score", .classifier_bias = false};
  std::optional<std::int64_t> padding = json.integer("pad_token_id");
  if (!json.contains("pad_token_id") && is_gemma3(json)) padding = 0;
  if (padding) head.padding = static_cast<std::int32_t>(*padding);
  return head;
}

HeadConfig language_head(const JsonObject& json) {
  refuse_both_ways(json);
  if (const auto cap = json.number("final_logit_softcapping")) {
    fail_at(json, ErrorCode::unsupported, "\"final_logit_softcapping\" is {}; only null is supported in a reranker",
            *cap);
  }
  HeadConfig head{.pooling = PoolingMode::last_token, .classifier = "lm_head", .classifier_bias = false};
  if (json.boolean("tie_word_embeddings").value_or(is_gemma3(json))) head.tied_classifier = "embed_tokens";
  return head;
}

}  // namespace treble::internal
