// NomicBERT (Nussbaum et al., arXiv 2402.01613): BERT's post-norm blocks with rotary positions, SwiGLU and no biases;
// and Nomic Embed v2 (Nussbaum & Duderstadt, arXiv 2502.07972), whose blocks have a mixture of experts in turn. The
// published config speaks GPT's language; transformers has a form of its own, without experts.
#include <algorithm>

#include "base/json_text.h"
#include "models/config_keys.h"
#include "models/family.h"
#include "models/rotary_keys.h"

namespace treble::internal {

namespace {

/// A switch of the published code, whose value is `fallback` where it is absent.
bool read_switch(const JsonObject& json, const char* key, bool fallback) {
  return json.boolean(key).value_or(fallback);
}

/// The switches that are not implemented.
void require_published_form(const JsonObject& json) {
  for (const char* key : {"prenorm", "parallel_block", "rotary_emb_interleaved", "use_rms_norm", "causal",
                          "parallel_block_tied_norm", "scale_attn_by_inverse_layer_idx"}) {
    require_flag(json, key, false);
  }
  require_flag(json, "scale_attn_weights", true);
  if (const double fraction = json.number("rotary_emb_fraction").value_or(0); fraction != 1) {
    fail_at(json, ErrorCode::unsupported, "\"rotary_emb_fraction\" is {} (0 where it is absent); only 1 is supported",
            fraction);
  }
  if (const double base = json.number("rotary_emb_scale_base").value_or(0); base != 0) {
    fail_at(json, ErrorCode::unsupported, "\"rotary_emb_scale_base\" is {}; only null is supported", base);
  }
}

void read_published_activation(const JsonObject& json, EncoderConfig& config) {
  const std::string name = json.string("activation_function").value_or("gelu_new");
  config.gated = name == "swiglu" || name == "geglu";
  if (!config.gated && name != "gelu") {
    fail_at(json, ErrorCode::unsupported, R"("activation_function" is "{}"; supported are swiglu, geglu and gelu)",
            name);
  }
  config.activation = name == "swiglu" ? Activation::silu : Activation::gelu;
}

/// Whether the weights of a token's experts are divided by their sum, the 1-norm; others are not known.
bool read_normalized_weights(const JsonObject& json) {
  const nlohmann::json* value = json.find("moe_normalize_expert_weights");
  if (value == nullptr || *value == false) return false;
  if (*value == true || *value == 1) return true;
  fail_at(json, ErrorCode::unsupported, "\"moe_normalize_expert_weights\" is {:.40}; supported are false, true and 1",
          json_text(*value));
}

/// The keys of a mixture of experts whose other values are other computations.
void require_published_experts(const JsonObject& json) {
  require_flag(json, "expert_choice_router", false);
  require_value(json, "moe_impl", "megablocks");
  if (const std::int64_t shared = json.integer("num_shared_experts").value_or(0); shared != 0) {
    fail_at(json, ErrorCode::unsupported, "\"num_shared_experts\" is {}; only 0 is supported", shared);
  }
}

/// Layers whose number leaves 1 when it is divided by "moe_every_n_layers" have experts: with 2 every other one, from
/// layer 1 on; with 1 none.
void read_published_experts(const JsonObject& json, EncoderConfig& config) {
  require_published_experts(json);
  ExpertsConfig experts;
  experts.count = json.integer("num_experts").value_or(0);
  experts.active = json.integer("moe_top_k").value_or(0);
  experts.width = config.intermediate_size / read_divisor(json, "ffn_div", 1);
  experts.normalized = read_normalized_weights(json);
  const auto every = json.integer("moe_every_n_layers");
  if (experts.count <= 0 && every.value_or(0) <= 0) return;
  if (experts.count < 1 || !every) {
    fail_at(json, ErrorCode::invalid_file,
            R"("num_experts" is {} and "moe_every_n_layers" is {}; a mixture of experts needs both)", experts.count,
            every ? std::to_string(*every) : "not there");
  }
  if (experts.active < 1 || experts.active > experts.count) {
    fail_at(json, ErrorCode::invalid_file, R"("moe_top_k" is {}; a token can go through 1 to all {} of "num_experts")",
            experts.active, experts.count);
  }
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    experts.layers.push_back(*every > 0 && layer % *every == 1);
  }
  if (std::find(experts.layers.begin(), experts.layers.end(), true) == experts.layers.end()) {
    config.warnings.push_back(
        fmt::format(R"(config.json: "num_experts" is {}, but with "moe_every_n_layers" {} none of {} layers has any)",
                    experts.count, *every, config.num_layers));
    return;
  }
  if (config.gated) {
    fail_at(json, ErrorCode::unsupported,
            "\"num_experts\" is {}: experts with a gate are not supported, only with "
            "\"activation_function\" gelu",
            experts.count);
  }
  config.experts = std::move(experts);
}

/// "rotary_scaling_factor": NTK scaling by each text's own length beyond "max_trained_positions".
void read_published_rotary(const JsonObject& json, EncoderConfig& config) {
  config.rotary.base = json.number("rotary_emb_base").value_or(10000);
  const auto factor = json.number("rotary_scaling_factor");
  config.rotary.original_positions = static_cast<double>(json.integer("max_trained_positions").value_or(2048));
  if (!factor) return;
  if (!(*factor > 0) || config.rotary.original_positions < 1) {
    fail_at(json, ErrorCode::invalid_file,
            R"("rotary_scaling_factor" is {} over {} "max_trained_positions", both must be above 0)", *factor,
            config.rotary.original_positions);
  }
  config.rotary.scaling = RotaryScaling::dynamic;
  config.rotary.factor = *factor;
}

/// The form of the published code, after GPT-2's; its defaults are GPT-2's and its own.
EncoderConfig read_published_config(const JsonObject& json) {
  require_published_form(json);
  EncoderConfig config = read_sizes(json, {.vocab_size = 50257, .num_positions = 1024},
                                    {.hidden_size = {"n_embd", "hidden_size"},
                                     .num_layers = {"n_layer", "num_hidden_layers"},
                                     .num_heads = {"n_head", "num_attention_heads"},
                                     .intermediate_size = {},
                                     .num_positions = {"n_positions", "max_position_embeddings"}});
  config.intermediate_size = json.integer("n_inner").value_or(4 * config.hidden_size);
  config.num_token_types = json.integer("type_vocab_size").value_or(2);
  read_published_rotary(json, config);
  config.norm_eps = json.number("layer_norm_epsilon").value_or(1e-5);
  read_published_activation(json, config);
  config.qkv_bias = config.output_bias = read_switch(json, "qkv_proj_bias", true);
  config.up_bias = read_switch(json, "mlp_fc1_bias", true);
  config.down_bias = read_switch(json, "mlp_fc2_bias", true);
  read_published_experts(json, config);
  return config;
}

/// The form that transformers knows itself: no biases, always gated, no experts.
EncoderConfig read_native_config(const JsonObject& json) {
  if (const std::int64_t experts = json.integer("num_experts").value_or(0); experts > 0) {
    fail_at(json, ErrorCode::unsupported,
            "\"num_experts\" is {}: a mixture of experts is read in its published form alone, whose sizes are n_embd, "
            "n_layer, n_head and n_inner",
            experts);
  }
  EncoderConfig config = read_sizes(json, {.vocab_size = 30528, .num_positions = 2048});
  config.head_dim = json.integer("head_dim").value_or(0);
  config.num_token_types = json.integer("type_vocab_size").value_or(2);
  read_rotary(json, {.base = 1000}, config);
  config.norm_eps = json.number("layer_norm_eps").value_or(1e-12);
  config.activation = read_activation(json, "hidden_act", "silu");
  config.gated = true;
  config.qkv_bias = config.output_bias = config.up_bias = config.down_bias = false;
  return config;
}

EncoderConfig read_nomic_bert_config(const JsonObject& json) {
  bool published = false;
  for (const char* key : {"n_embd", "n_layer", "activation_function"}) published |= json.find(key) != nullptr;
  return published ? read_published_config(json) : read_native_config(json);
}

}  // namespace

Family nomic_bert_family() {
  WeightNames names;
  names.prefixes = {"model.", "bert.", "nomic_bert.", "transformer."};
  names.word_embeddings = "embeddings.word_embeddings";
  names.token_type_embeddings = "embeddings.token_type_embeddings";
  names.embedding_norm = "emb_ln";
  names.qkv = "encoder.layers.{}.attn.Wqkv";
  names.attention_output = "encoder.layers.{}.attn.out_proj";
  names.attention_norm = "encoder.layers.{}.norm1";
  // What is multiplied comes from fc11, what passes through the activation from fc12.
  names.gate = "encoder.layers.{}.mlp.fc12";
  names.up = "encoder.layers.{}.mlp.fc11";
  names.down = "encoder.layers.{}.mlp.fc2";
  names.feed_forward_norm = "encoder.layers.{}.norm2";
  WeightNames plain = names;
  plain.gate.clear();
  plain.up = "encoder.layers.{}.mlp.fc1";
  plain.expert_router = "encoder.layers.{}.mlp.router.layer";
  plain.expert_up = "encoder.layers.{}.mlp.experts.mlp.w1";
  plain.expert_down = "encoder.layers.{}.mlp.experts.mlp.w2";
  plain.expert_bias = "encoder.layers.{}.mlp.experts.bias";
  return {{"nomic_bert"}, read_nomic_bert_config, {names, plain, native_gated_names(names.prefixes)}};
}

}  // namespace treble::internal
