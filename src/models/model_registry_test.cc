#include "models/model_registry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "models/known_names.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

std::filesystem::path source_path(const std::string& relative) {
  return std::filesystem::path(TREBLE_SOURCE_DIR) / relative;
}

EncoderConfig read(const std::string& members) {
  return read_encoder_config(JsonObject::from_text("{" + members + "}", "config.json"));
}

std::string error_of(const std::string& members) {
  try {
    read(members);
    return "no error";
  } catch (const Error& error) {
    return std::string(mapping(error.code()).name) + ": " + error.what();
  }
}

void expect_error(const std::string& members, const std::vector<std::string>& parts) {
  const std::string error = error_of(members);
  for (const std::string& part : parts) EXPECT_NE(error.find(part), std::string::npos) << members << ": " << error;
}

/// Sizes are those of the configuration classes of transformers 5.24.
TEST(EncoderConfigDefaults, AreThoseOfTransformers) {
  struct Case {
    const char* model_type;
    std::int64_t vocab, hidden, layers, heads, intermediate, positions;
  };
  const std::vector<Case> cases = {
      {"bert", 30522, 768, 12, 12, 3072, 512},
      {"roberta", 50265, 768, 12, 12, 3072, 512},
      {"xlm-roberta", 30522, 768, 12, 12, 3072, 512},
      {"camembert", 30522, 768, 12, 12, 3072, 512},
      {"electra", 30522, 256, 12, 4, 1024, 512},
      {"albert", 30000, 4096, 12, 64, 16384, 512},
      {"distilbert", 30522, 768, 6, 12, 3072, 512},
      {"mpnet", 30527, 768, 12, 12, 3072, 512},
      {"deberta-v2", 128100, 1536, 24, 24, 6144, 512},
      {"t5", 32128, 512, 6, 8, 2048, 131072},
      {"mt5", 250112, 512, 8, 6, 1024, 131072},
      {"umt5", 250112, 512, 8, 6, 1024, 131072},
      {"modernbert", 50368, 768, 22, 12, 1152, 8192},
      {"gemma3_text", 262208, 2304, 26, 8, 9216, 131072},
      {"llama", 32000, 4096, 32, 32, 11008, 2048},
      {"mistral", 32000, 4096, 32, 32, 14336, 131072},
      {"qwen2", 151936, 4096, 32, 32, 22016, 32768},
      {"qwen3", 151936, 4096, 32, 32, 22016, 32768},
      {"nomic_bert", 30528, 768, 12, 12, 3072, 2048},
      {"gte", 250048, 768, 12, 12, 3072, 8192},
      {"eurobert", 128256, 768, 12, 12, 3072, 8192},
      {"ultrabert", 32000, 4096, 32, 32, 11008, 32768},
      {"jina_embeddings_v3", 250002, 1024, 24, 16, 4096, 8194},
      {"embedding_gemma2_text", 262144, 512, 24, 4, 2048, 262144},
      {"embedding_gemma2", 262144, 512, 24, 4, 2048, 262144},
  };
  for (const Case& expected : cases) {
    SCOPED_TRACE(expected.model_type);
    const EncoderConfig config = read(fmt::format(R"("model_type": "{}")", expected.model_type));
    EXPECT_EQ(config.vocab_size, expected.vocab);
    EXPECT_EQ(config.hidden_size, expected.hidden);
    EXPECT_EQ(config.num_layers, expected.layers);
    EXPECT_EQ(config.num_heads, expected.heads);
    EXPECT_EQ(config.intermediate_size, expected.intermediate);
    EXPECT_EQ(config.num_positions, expected.positions);
    EXPECT_EQ(config.warnings, std::vector<std::string>{});
  }
}

TEST(EncoderConfigDefaults, OfSingleSwitches) {
  EXPECT_EQ(read(R"("model_type": "nomic_bert")").rotary.base, 1000);
  EXPECT_EQ(read(R"("model_type": "gte")").rotary.base, 160000);
  EXPECT_EQ(read(R"("model_type": "gte")").num_token_types, 1);
  EXPECT_EQ(read(R"("model_type": "qwen3")").head_width(), 128);
  EXPECT_EQ(read(R"("model_type": "mistral")").kv_heads(), 8);
  EXPECT_EQ(read(R"("model_type": "mistral", "num_key_value_heads": null)").kv_heads(), 32);
  EXPECT_EQ(read(R"("model_type": "mistral")").window.left, 4095);
  EXPECT_FALSE(read(R"("model_type": "mistral", "sliding_window": null)").is_local(0));
  EXPECT_TRUE(read(R"("model_type": "mt5")").gated);
  EXPECT_EQ(read(R"("model_type": "electra")").embedding_width(), 128);
  const EncoderConfig gemma = read(R"("model_type": "gemma3_text")");
  EXPECT_EQ(gemma.kv_heads(), 4);
  EXPECT_EQ(gemma.rotary.base, 1e6);
  EXPECT_EQ(gemma.local_rotary.value().base, 1e4);
  EXPECT_TRUE(gemma.is_local(4));
  EXPECT_FALSE(gemma.is_local(5));
  EXPECT_EQ(read(R"("model_type": "jina_embeddings_v3")").rotary.base, 20000);
  EXPECT_EQ(read(R"("model_type": "jina_embeddings_v3")").num_token_types, 1);
  EXPECT_EQ(read(R"("model_type": "eurobert")").norm_eps, 1e-5);
  EXPECT_EQ(read(R"("model_type": "eurobert")").kv_heads(), 12);
  const EncoderConfig ultra = read(R"("model_type": "ultrabert")");
  EXPECT_EQ(ultra.rotary.base, 2560000);
  EXPECT_EQ(ultra.local_rotary.value().base, 1e4);
  EXPECT_EQ(ultra.window.left, 128);
  EXPECT_EQ(ultra.window.right, 128);
  EXPECT_TRUE(ultra.is_local(1));
  EXPECT_FALSE(ultra.is_local(2));
}

TEST(EncoderConfigDefaults, OfEmbeddingGemma2) {
  const EncoderConfig config = read(R"("model_type": "embedding_gemma2")");
  EXPECT_EQ(config.heads_of(false).width, 512);
  EXPECT_EQ(config.heads_of(false).kv_heads, 1);
  EXPECT_EQ(config.heads_of(true).width, 256);
  EXPECT_EQ(config.heads_of(true).kv_heads, 2);
  EXPECT_EQ(config.window.left, 512);
  EXPECT_EQ(config.window.right, 512);
  EXPECT_TRUE(config.is_local(4));
  EXPECT_FALSE(config.is_local(5));
  EXPECT_EQ(config.rotary.base, 1e6);
  EXPECT_EQ(config.local_rotary.value().base, 1e4);
  EXPECT_EQ(config.per_layer_width, 512);
  EXPECT_EQ(config.output_width(), 768);
  EXPECT_EQ(config.placeholders.ids, (std::vector<std::int32_t>{258880, 258884, 258881}));
}

/// Values that would divide by zero, shift by a negative number or ask for absurd memory.
TEST(EncoderConfigChecks, SizesAndPatternsBeforeTheirUse) {
  const std::vector<std::string> hostile = {
      R"("model_type": "modernbert", "global_attn_every_n_layers": 0)",
      R"("model_type": "modernbert", "global_attn_every_n_layers": -3)",
      R"("model_type": "modernbert", "local_attention": -3)",
      R"("model_type": "modernbert", "num_attention_heads": 0)",
      R"("model_type": "modernbert", "hidden_size": 0)",
      R"("model_type": "gemma3_text", "sliding_window_pattern": 0)",
      R"("model_type": "gemma3_text", "query_pre_attn_scalar": 0)",
      R"("model_type": "gemma3_text", "sliding_window": 0)",
      R"("model_type": "gemma3_text", "sliding_window": null)",
      R"("model_type": "gemma3_text", "head_dim": 0, "num_attention_heads": 0)",
      R"("model_type": "albert", "num_hidden_groups": 0)",
      R"("model_type": "albert", "num_hidden_groups": 13)",
      R"("model_type": "bert", "num_attention_heads": 0)",
      R"("model_type": "bert", "num_hidden_layers": 0)",
      R"("model_type": "bert", "num_hidden_layers": 99999999999)",
      R"("model_type": "bert", "hidden_size": -768)",
      R"("model_type": "roberta", "pad_token_id": -1)",
      R"("model_type": "mpnet", "relative_attention_num_buckets": 16)",
      R"("model_type": "t5", "relative_attention_num_buckets": 0)",
      R"("model_type": "t5", "relative_attention_num_buckets": -32)",
      R"("model_type": "t5", "relative_attention_num_buckets": 2)",
      R"("model_type": "t5", "relative_attention_max_distance": 8)",
      R"("model_type": "t5", "num_layers": 0)",
      R"("model_type": "deberta-v2", "num_attention_heads": 0)",
      R"("model_type": "deberta-v2", "relative_attention": true, "position_buckets": 1)",
      R"("model_type": "deberta-v2", "relative_attention": true, "position_buckets": 8, "max_relative_positions": 5)",
      R"("model_type": "embedding_gemma2_text", "sliding_window_pattern": 0)",
      R"("model_type": "embedding_gemma2_text", "sliding_window": -1)",
      R"("model_type": "embedding_gemma2_text", "head_dim": 0)",
      R"("model_type": "embedding_gemma2_text", "head_dim": 7)",
      R"("model_type": "embedding_gemma2_text", "global_head_dim": 7)",
      R"("model_type": "embedding_gemma2_text", "global_head_dim": 99999)",
      R"("model_type": "embedding_gemma2_text", "num_global_key_value_heads": 3)",
      R"("model_type": "embedding_gemma2_text", "num_global_key_value_heads": 0)",
      R"("model_type": "embedding_gemma2_text", "hidden_size_per_layer_input": 0)",
      R"("model_type": "embedding_gemma2_text", "hidden_size_per_layer_input": 999999)",
      R"("model_type": "embedding_gemma2_text", "embedding_dim": 0)",
      R"("model_type": "embedding_gemma2_text", "per_layer_config": {"24": {"head_dim": 8}})",
      R"("model_type": "embedding_gemma2_text", "per_layer_config": {"-1": {"head_dim": 8}})",
      R"("model_type": "embedding_gemma2_text", "per_layer_config": {"x": {"head_dim": 8}})",
      R"("model_type": "embedding_gemma2_text", "per_layer_config": {"2": 8})",
      R"("model_type": "embedding_gemma2_text", "per_layer_config": {"2": {"head_dim": 0}})",
      R"("model_type": "embedding_gemma2_text", "per_layer_config": [8])",
      R"("model_type": "embedding_gemma2", "text_config": 5)",
      R"("model_type": "embedding_gemma2", "text_config": {"head_dim": 7})",
      R"("model_type": "ultrabert", "attention_windows": [8])",
      R"("model_type": "ultrabert", "attention_windows": 8)",
      R"("model_type": "ultrabert", "num_hidden_layers": 1, "attention_windows": [-8])",
      R"("model_type": "ultrabert", "num_hidden_layers": 1, "attention_windows": [1e300])",
      R"("model_type": "ultrabert", "rope_theta": 10000.0)",
      R"("model_type": "ultrabert", "num_hidden_layers": 1, "rope_theta": [0])",
      R"("model_type": "eurobert", "num_key_value_heads": 5)",
      R"("model_type": "eurobert", "head_dim": 7)",
      R"("model_type": "xlm-roberta", "position_embedding_type": "rotary")",
      R"("model_type": "xlm-roberta", "position_embedding_type": "rotary", "rotary_emb_base": 0)",
      R"("model_type": "llama", "num_attention_heads": 0)",
      R"("model_type": "llama", "num_key_value_heads": 5)",
      R"("model_type": "llama", "num_key_value_heads": -1)",
      R"("model_type": "llama", "max_position_embeddings": 0)",
      R"("model_type": "llama", "rope_theta": 0)",
      R"("model_type": "llama", "rope_scaling": {"rope_type": "dynamic", "factor": 0})",
      R"("model_type": "llama", "rope_scaling": {"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 0})",
      R"("model_type": "llama", "rope_scaling": {"rope_type": "yarn", "factor": 2}, "rope_theta": 1)",
      R"("model_type": "llama", "rope_scaling": {"rope_type": "longrope", "short_factor": [], "long_factor": []})",
      R"("model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 2, "low_freq_factor": 1, "high_freq_factor": 1})",
      R"("model_type": "llama", "rope_scaling": {"rope_type": "linear"})",
      R"("model_type": "llama", "rope_scaling": 5)",
      R"("model_type": "nomic_bert", "n_embd": 0, "rotary_emb_fraction": 1.0, "activation_function": "swiglu")",
  };
  for (const std::string& members : hostile) expect_error(members, {"invalid_file: config.json"});
}

TEST(EncoderConfigChecks, RefuseWhatIsComputedOtherwise) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {R"("model_type": "bert", "is_decoder": true)", {"is_decoder"}},
      {R"("model_type": "bert", "position_embedding_type": "relative_key")", {"relative_key", "absolute"}},
      {R"("model_type": "bert", "hidden_act": "mish")", {"mish", "gelu_accurate", "swish", "linear"}},
      {R"("model_type": "bert", "pruned_heads": {"0": [1]})", {"pruned_heads"}},
      {R"("model_type": "bert", "per_layer_config": {"0": {"hidden_act": "relu"}})", {"per_layer_config"}},
      {R"("model_type": "bert", "quantization_config": {"quant_method": "gptq"})", {"quantization_config", "gptq"}},
      {R"("model_type": "jina_bert", "position_embedding_type": "alibi")", {"feed_forward_type", "original"}},
      {R"("model_type": "albert", "inner_group_num": 2)", {"inner_group_num"}},
      {R"("model_type": "gemma3_text", "attn_logit_softcapping": 50.0)", {"attn_logit_softcapping", "50"}},
      {R"("model_type": "llama", "rope_scaling": {"type": "su", "factor": 2})", {"\"su\"", "longrope"}},
      {R"("model_type": "llama", "rope_scaling": {"type": "proportional"})", {"proportional"}},
      {R"("model_type": "llama", "rope_scaling": {"type": "ntk", "factor": 2})", {"ntk"}},
      {R"("model_type": "llama", "partial_rotary_factor": 0.5)", {"partial_rotary_factor", "0.5"}},
      {R"("model_type": "llama", "rope_parameters": {"full_attention": {}})", {"by layer type", "llama"}},
      {R"("model_type": "llama", "use_bidirectional_attention": true)", {"use_bidirectional_attention", "is_causal"}},
      {R"("model_type": "qwen3", "use_bidirectional_attention": true)", {"use_bidirectional_attention", "qwen3"}},
      {R"("model_type": "embedding_gemma2_text", "per_layer_config": {"5": {"intermediate_size": 8}})",
       {"per_layer_config: layer 5", "intermediate_size", "head_dim"}},
      {R"("model_type": "embedding_gemma2_text", "per_layer_config": {"5": {"head_dim": 128}})", {"layer 11", "128"}},
      {R"("model_type": "embedding_gemma2_text", "rope_scaling": {"type": "linear", "factor": 2})", {"rope_scaling"}},
      {R"("model_type": "ultrabert", "rope_scaling": {"type": "linear", "factor": 2})", {"rope_scaling"}},
      {R"("model_type": "ultrabert", "num_hidden_layers": 2, "attention_windows": [8, 9])", {"8", "9"}},
      {R"("model_type": "ultrabert", "num_hidden_layers": 2, "rope_theta": [80.0, 90.0])", {"rope_theta", "80", "90"}},
      {R"("model_type": "nomic_bert", "num_experts": 8)", {"num_experts", "8", "n_embd"}},
      {R"("model_type": "nomic_bert", "n_embd": 768, "rotary_emb_fraction": 1)",
       {"gelu_new", "swiglu, geglu and gelu"}},
      {R"("model_type": "deberta-v2", "embedding_size": 128)", {"embedding_size", "128", "1536"}},
      {R"("model_type": "deberta-v2", "attention_head_size": 32)", {"attention_head_size", "32", "64"}},
      {R"("model_type": "nomic_bert", "n_embd": 768, "rotary_emb_fraction": 0.5)", {"rotary_emb_fraction", "0.5"}},
      {R"("model_type": "new", "rope_scaling": {"type": "ntk", "factor": 2, "mixed_b": 1.0})", {"mixed_b"}},
      {R"("model_type": "t5", "feed_forward_proj": "gated-swiglu")", {"gated-swiglu", "relu"}},
  };
  for (const auto& [members, parts] : cases) {
    expect_error(members, {"unsupported: config.json"});
    expect_error(members, parts);
  }
}

TEST(EncoderConfigWarnings, NameUnknownKeysOnce) {
  const auto config = read(R"("model_type": "bert", "unheard_of": 1, "torch_dtype": "float32", "another": null,
                              "id2label": {"0": "a"}, "hidden_dropout_prob": 0.1)");
  ASSERT_EQ(config.warnings.size(), 1U);
  EXPECT_EQ(config.warnings[0], "config.json: unknown to a bert model, ignored: another, unheard_of");
}

TEST(EncoderConfigWarnings, NameUnknownRotaryKeys) {
  const auto config =
      read(R"("model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2, "finetuned": true})");
  ASSERT_EQ(config.warnings.size(), 1U);
  EXPECT_EQ(config.warnings[0], "config.json: rope_scaling: ignored: finetuned");
}

/// The published configurations, as the golden models carry them.
TEST(EncoderConfigWarnings, AreNotGivenForWhatTransformersWrites) {
  for (const auto& entry : std::filesystem::directory_iterator(source_path("tests/golden"))) {
    if (!std::filesystem::exists(entry.path() / "model" / "config.json")) continue;
    EXPECT_EQ(read_encoder_config(entry.path() / "model").warnings, std::vector<std::string>{}) << entry.path();
  }
}

/// Keys with a value, in the configurations of tests/golden, by model type.
std::map<std::string, std::set<std::string>> keys_in_use() {
  std::map<std::string, std::set<std::string>> keys;
  const auto add = [&](const nlohmann::json& config) {
    for (const auto& [key, value] : config.items()) keys[config.at("model_type").get<std::string>()].insert(key);
  };
  for (const auto& entry : std::filesystem::directory_iterator(source_path("tests/golden"))) {
    const auto path = entry.path() / "model" / "config.json";
    if (std::filesystem::exists(path)) add(parse_json_file(path));
  }
  for (const auto& entry : std::filesystem::directory_iterator(source_path("tests/golden/variants"))) {
    for (const auto& variant : parse_json_file(entry.path())) add(variant.at("config"));
  }
  return keys;
}

/// The table of docs/models.md: model types, and the keys that are read.
std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> documented_keys() {
  std::ifstream file(source_path("docs/models.md"));
  std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> rows;
  const auto words = [](std::string text) {
    std::replace(text.begin(), text.end(), ',', ' ');
    std::istringstream stream(text);
    return std::vector<std::string>(std::istream_iterator<std::string>(stream), {});
  };
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "| model type | keys that are read |") {
      inside = true;
    } else if (inside && line.starts_with("| ")) {
      const auto middle = line.find(" | ");
      rows.emplace_back(words(line.substr(2, middle - 2)), words(line.substr(middle + 3, line.size() - middle - 5)));
    } else if (inside && !line.starts_with("|")) {
      break;
    }
  }
  return rows;
}

TEST(DocumentedKeys, AreTheKeysThatAreRead) {
  const auto in_use = keys_in_use();
  std::size_t documented_types = 0;
  for (const auto& [model_types, keys] : documented_keys()) {
    for (const std::string& model_type : model_types) {
      SCOPED_TRACE(model_type);
      ++documented_types;
      // What no list calls harmless is read, and must be in the table.
      if (const auto found = in_use.find(model_type); found != in_use.end() && model_type != "nomic_bert") {
        for (const std::string& key : found->second) {
          EXPECT_TRUE(is_harmless_key(model_type, key) || std::find(keys.begin(), keys.end(), key) != keys.end())
              << key;
        }
      }
      // What is in the table is read.
      std::string members = fmt::format(R"("model_type": "{}", "sliding_window": 512)", model_type);
      for (const std::string& key : keys) {
        if (key != "sliding_window") members += fmt::format(R"(, "{}": null)", key);
      }
      for (const std::string& warning : read(members).warnings) {
        for (const std::string& key : keys) EXPECT_EQ(warning.find(" " + key), std::string::npos) << warning;
      }
    }
  }
  // All but JinaBERT, which is in the text below it.
  const std::string supported = supported_model_types();
  EXPECT_EQ(documented_types, static_cast<std::size_t>(std::count(supported.begin(), supported.end(), ',')));
}

TEST(HarmlessTensors, AreHeadsDecodersAndBuffersAlone) {
  EXPECT_TRUE(is_harmless_tensor("bert", "bert.", "cls.predictions.bias"));
  EXPECT_TRUE(is_harmless_tensor("bert", "bert.", "bert.pooler.dense.weight"));
  EXPECT_TRUE(is_harmless_tensor("bert", "", "embeddings.position_ids"));
  EXPECT_TRUE(is_harmless_tensor("llama", "model.", "lm_head.weight"));
  EXPECT_TRUE(is_harmless_tensor("llama", "model.", "model.layers.0.self_attn.rotary_emb.inv_freq"));
  EXPECT_TRUE(is_harmless_tensor("t5", "", "decoder.block.0.layer.0.SelfAttention.q.weight"));
  EXPECT_FALSE(is_harmless_tensor("bert", "", "encoder.layer.2.attention.self.query.weight"));
  EXPECT_FALSE(is_harmless_tensor("bert", "", "encoder.layer.0.attention.self.distance_embedding.weight"));
  EXPECT_FALSE(is_harmless_tensor("llama", "model.", "model.layers.0.self_attn.q_proj.lora_A.weight"));
  EXPECT_FALSE(is_harmless_tensor("t5", "", "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight"));
}

}  // namespace
}  // namespace treble::internal
