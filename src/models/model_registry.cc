#include "models/model_registry.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "models/config_keys.h"
#include "models/encoder_builder.h"
#include "models/family.h"
#include "models/folder_check.h"
#include "models/known_names.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

std::vector<Family> families() {
  // Jina's before BERT and XLM-R, whose model_type they use.
  return {jina_bert_family(),  jina_v3_family(),    bert_family(),      roberta_family(),
          distilbert_family(), mpnet_family(),      electra_family(),   albert_family(),
          deberta_v2_family(), t5_family(),         umt5_family(),      nomic_bert_family(),
          gte_new_family(),    modernbert_family(), gemma3_family(),    embedding_gemma2_family(),
          llama_family(),      eurobert_family(),   ultrabert_family(), mamba2_family()};
}

Family find_family(const JsonObject& json) {
  const std::string model_type = model_type_of(json);
  for (Family& family : families()) {
    const auto& types = family.model_types;
    if (std::find(types.begin(), types.end(), model_type) == types.end()) continue;
    if (family.claims == nullptr || family.claims(json)) return std::move(family);
  }
  fail_at(json, ErrorCode::unsupported, "model_type \"{}\" is not supported; supported are {}", model_type,
          supported_model_types());
}

void check_range(const JsonObject& json, const char* what, std::int64_t value, std::int64_t min, std::int64_t max) {
  if (value >= min && value <= max) return;
  fail_at(json, ErrorCode::invalid_file, "{} is {}, it must be between {} and {}", what, value, min, max);
}

/// Bounds far beyond every real model, so that products of sizes cannot overflow.
void check_sizes(const JsonObject& json, const EncoderConfig& config) {
  check_range(json, "the vocabulary size", config.vocab_size, 1, std::int64_t{1} << 24);
  check_range(json, "the hidden size", config.hidden_size, 1, std::int64_t{1} << 16);
  check_range(json, "the embedding size", config.embedding_width(), 1, std::int64_t{1} << 16);
  check_range(json, "the number of layers", config.num_layers, 1, 4096);
  check_range(json, "the number of layer groups", config.layer_groups(), 1, config.num_layers);
  check_range(json, "the number of attention heads", config.num_heads, 1, 4096);
  check_range(json, "the number of key-value heads", config.kv_heads(), 1, config.num_heads);
  check_range(json, "the width of a head", config.head_dim, 0, 4096);
  check_range(json, "the width of per-layer inputs", config.per_layer_width, 0, std::int64_t{1} << 16);
  check_range(json, "the width of the output", config.output_size, 0, std::int64_t{1} << 16);
  if (config.local_heads) {
    check_range(json, "the number of key-value heads of local layers", config.local_heads->kv_heads, 1,
                config.num_heads);
    check_range(json, "the width of a head of local layers", config.local_heads->width, 1, 4096);
  }
  check_range(json, "the intermediate size", config.intermediate_size, 1, std::int64_t{1} << 20);
  if (config.experts.count > 0) {
    check_range(json, "the number of experts", config.experts.count, 1, 4096);
    check_range(json, "the number of experts of a token", config.experts.active, 1, config.experts.count);
    check_range(json, "the width of an expert", config.experts.width, 1, std::int64_t{1} << 20);
  }
  check_range(json, "the number of positions", config.num_positions, 1, std::int64_t{1} << 24);
  check_range(json, "the position of the first token", config.position_offset, 0, config.num_positions - 1);
  check_range(json, "the number of token types", config.num_token_types, 0, std::int64_t{1} << 16);
}

void check_divisions(const JsonObject& json, const EncoderConfig& config) {
  if (config.head_dim == 0 && config.hidden_size % config.num_heads != 0) {
    fail_at(json, ErrorCode::invalid_file, "the hidden size {} is not a multiple of the {} attention heads",
            config.hidden_size, config.num_heads);
  }
  for (const bool local : {false, true}) {
    const HeadSizes heads = config.heads_of(local);
    if (config.num_heads % heads.kv_heads != 0) {
      fail_at(json, ErrorCode::invalid_file, "{} attention heads cannot share {} key-value heads evenly",
              config.num_heads, heads.kv_heads);
    }
    if (config.rotary.base > 0 && heads.width % 2 != 0) {
      fail_at(json, ErrorCode::invalid_file, "rotary positions need heads of even width, these have {}", heads.width);
    }
  }
}

void check_positions(const JsonObject& json, const EncoderConfig& config) {
  if (!(config.norm_eps >= 0 && config.norm_eps < 1)) {
    fail_at(json, ErrorCode::invalid_file, "the eps of norms is {}, it must be between 0 and 1", config.norm_eps);
  }
  const RelativeBuckets& buckets = config.relative_buckets;
  if (buckets.num_buckets != 0 &&
      (buckets.num_buckets < 4 || buckets.num_buckets > 4096 || buckets.max_distance <= buckets.num_buckets / 4)) {
    fail_at(json, ErrorCode::invalid_file,
            "{} relative buckets up to distance {}; there must be 4 to 4096 of them, reaching beyond a quarter of "
            "their number",
            buckets.num_buckets, buckets.max_distance);
  }
  if (buckets.num_buckets != 0)
    check_range(json, "the rows of relative bias", buckets.rows(), buckets.num_buckets, 4096);
  if (config.window.left < 0 || config.window.right < 0) {
    fail_at(json, ErrorCode::invalid_file, "a local window of {} to the left and {} to the right", config.window.left,
            config.window.right);
  }
  if (config.disentangled.enabled) {
    check_range(json, "position_buckets", config.disentangled.buckets, 0, std::int64_t{1} << 16);
    check_range(json, "max_relative_positions", config.disentangled.max_relative, 2, std::int64_t{1} << 20);
  }
}

/// Settings that change what every family computes, and that none can follow.
void refuse_other_computations(const JsonObject& json, const Family& family) {
  for (const std::string_view key : {"pruned_heads", "per_layer_config", "quantization", "quantization_config"}) {
    const nlohmann::json* value = json.find(key);
    if (value == nullptr || value->empty() || (key == "per_layer_config" && family.reads_layer_configs)) continue;
    fail_at(json, ErrorCode::unsupported, "\"{}\" is {:.120}; only models without it are supported", key,
            json_text(*value));
  }
}

EncoderConfig checked_config(const Family& family, const JsonObject& json) {
  refuse_other_computations(json, family);
  EncoderConfig config = family.read_config(json);
  config.model_type = model_type_of(json);
  warn_of_unknown_keys(json, config.model_type, config);
  const nlohmann::json* architectures = json.find("architectures");
  if (architectures != nullptr && architectures->is_array() && !architectures->empty() &&
      architectures->front().is_string()) {
    config.architecture = architectures->front().get<std::string>();
  }
  check_sizes(json, config);
  check_divisions(json, config);
  check_positions(json, config);
  return config;
}

}  // namespace

std::string supported_model_types() {
  std::vector<std::string> types;
  for (const Family& family : families()) {
    types.insert(types.end(), family.model_types.begin(), family.model_types.end());
  }
  std::sort(types.begin(), types.end());
  types.erase(std::unique(types.begin(), types.end()), types.end());
  return fmt::format("{}", fmt::join(types, ", "));
}

EncoderConfig read_encoder_config(const JsonObject& json) { return checked_config(find_family(json), json); }

HeadConfig read_head_config(const JsonObject& json) {
  const Family family = find_family(json);
  if (family.read_head != nullptr) return family.read_head(json);
  fail_at(
      json, ErrorCode::unsupported,
      "the classification head of a {} model is not known; there are those of bert, roberta, xlm-roberta, camembert, "
      "electra, distilbert, mpnet, albert, deberta-v2, modernbert, gte, llama, mistral, qwen2, qwen3 and gemma3_text",
      model_type_of(json));
}

std::optional<MaskedLmHeadConfig> find_masked_lm_head_config(const JsonObject& json) {
  const Family family = find_family(json);
  if (family.read_masked_lm_head == nullptr) return std::nullopt;
  return family.read_masked_lm_head(json);
}

MaskedLmHeadConfig read_masked_lm_head_config(const JsonObject& json) {
  if (auto config = find_masked_lm_head_config(json)) return *std::move(config);
  fail_at(json, ErrorCode::unsupported,
          "the head for masked language modelling of a {} model, which sparse vectors come from, is not known; there "
          "are those of bert, distilbert, roberta, xlm-roberta, camembert, mpnet, electra, albert, gte and modernbert",
          model_type_of(json));
}

HeadConfig read_language_head_config(const JsonObject& json) {
  const Family family = find_family(json);
  if (family.read_language_head != nullptr) return family.read_language_head(json);
  fail_at(json, ErrorCode::unsupported,
          "a {} model predicts no tokens that a reranker could take; there are llama, mistral, qwen2, qwen3 and "
          "gemma3_text",
          model_type_of(json));
}

EncoderConfig read_encoder_config(const std::filesystem::path& folder) {
  return read_encoder_config(JsonObject::from_file(folder / "config.json"));
}

namespace {

void check_layers(const std::filesystem::path& folder, const TensorArchive& archive, const ModelLayout& layout) {
  const std::int64_t stored = count_layers(archive, layout.found);
  const std::int64_t expected = layout.config.layer_groups();
  if (stored == expected) return;
  fail_file(folder, ErrorCode::invalid_file,
            "the weights hold {} layers, config.json asks for {}; the two belong to different models", stored,
            expected);
}

/// Of a model that reads more than text.
void warn_of_other_towers(const TensorArchive& archive, EncoderConfig& config) {
  std::int64_t tensors = 0;
  std::int64_t parameters = 0;
  for (const auto& [name, tensor] : archive.tensors()) {
    if (!is_of_another_tower(config.model_type, name)) continue;
    ++tensors;
    parameters += tensor.num_elements();
  }
  if (tensors == 0) return;
  config.warnings.push_back(
      fmt::format("only the text tower is loaded; left out are the towers for images and sounds ({} tensors, {} "
                  "parameters)",
                  tensors, parameters));
}

/// A tensor that nobody read is a part of the model that is not computed, unless it is known to be none.
void check_all_read(const WeightLoader& loader, const ModelLayout& layout, const std::filesystem::path& folder) {
  std::vector<std::string> unread = loader.unread();
  const EncoderConfig& config = layout.config;
  const std::string& prefix = layout.found.prefix;
  // A table of positions that config.json switches off.
  const std::string positions = prefix + layout.found.names.position_embeddings + ".weight";
  std::erase_if(unread, [&](const std::string& name) {
    return is_harmless_tensor(config.model_type, prefix, name) || (!config.learned_positions && name == positions);
  });
  if (unread.empty()) return;
  constexpr std::size_t kNamed = 4;
  const std::size_t named = std::min(unread.size(), kNamed);
  std::vector<std::string> first;
  first.reserve(named);
  for (std::size_t i = 0; i < named; ++i) first.push_back(for_message(unread[i]));
  fail_file(
      folder, ErrorCode::unsupported,
      "the weights hold {} tensors that a {} model of this config.json does not use: {}{}; the checkpoint computes "
      "something else than that",
      unread.size(), config.model_type, fmt::join(first, ", "), unread.size() > named ? ", …" : "");
}

}  // namespace

namespace {

/// Every prefix under which some form of the family keeps its encoder; the bare name last.
std::vector<std::string> prefixes_of(const Family& family) {
  std::vector<std::string> prefixes;
  for (const WeightNames& names : family.names) {
    prefixes.insert(prefixes.end(), names.prefixes.begin(), names.prefixes.end());
  }
  prefixes.emplace_back();
  return prefixes;
}

}  // namespace

OpenedModel open_model(const std::filesystem::path& folder, const AdapterSource& adapter) {
  const auto json = JsonObject::from_file(folder / "config.json");
  const Family family = find_family(json);
  EncoderConfig config = checked_config(family, json);
  TensorArchive archive = TensorArchive::open_folder(folder);
  refuse_quantized(archive);
  merge_task(json, adapter.task, archive);
  ModelLayout layout{std::move(config), find_names(archive, family.names, folder.string())};
  check_layers(folder, archive, layout);
  warn_of_other_towers(archive, layout.config);
  if (!adapter.folder.empty()) {
    merge_peft_adapter(adapter.folder, {layout.config.model_type, layout.found, prefixes_of(family)}, archive);
  }
  return {std::move(archive), std::move(layout)};
}

namespace {

std::vector<AnyLayer> build_layers(const EncoderBuilder& builder, const EncoderConfig& config,
                                   const RotaryTable& rotary, const RotaryTable& local_rotary,
                                   const Execution& execution) {
  std::vector<std::optional<AnyLayer>> built(static_cast<std::size_t>(config.layer_groups()));
  execution.for_ranges(config.layer_groups(), 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t group = begin; group < end; ++group) {
      const bool local = config.is_local(group);
      const RotaryTable& table = local ? local_rotary : rotary;
      built[static_cast<std::size_t>(group)].emplace(builder.layer(group, local, table ? &table : nullptr));
    }
  });
  std::vector<AnyLayer> groups;
  groups.reserve(built.size());
  for (auto& layer : built) groups.push_back(std::move(layer).value());
  return groups;
}

/// What predicts the next token of a recurrent model: a tied head, or one of its own beside the encoder's tensors.
ConstMatrixView output_embeddings(const TensorArchive& archive, const EncoderConfig& config, const StoredRows& words,
                                  const std::string& folder, AlignedBuffer<float>& owned) {
  if (!config.state_space.enabled) return {};
  if (config.state_space.tied_head == true) return words.as_floats(owned);
  const WeightLoader whole(archive, "", folder);
  if (whole.has("lm_head.weight")) {
    return whole.matrix_in_place("lm_head.weight", config.vocab_size, config.hidden_size, owned);
  }
  // Releases of transformers whose default was a tied head wrote neither.
  const bool saved_with_head = !config.state_space.tied_head && config.architecture.ends_with("ForCausalLM");
  return saved_with_head ? words.as_floats(owned) : ConstMatrixView();
}

}  // namespace

Encoder load_encoder(const std::filesystem::path& folder, const LengthPlan& lengths, const LoadOptions& options) {
  auto [archive, layout] = open_model(folder, options.adapter);
  const EncoderConfig& config = layout.config;
  const FoundNames& found = layout.found;
  const WeightLoader loader(archive, found.prefix, folder.string());
  const EncoderBuilder builder(loader, found.names, config, lengths, options.type, options.calibration,
                               options.prepared);

  AlignedBuffer<float> words;
  EmbeddingLayer embeddings = builder.embeddings(words);
  auto rotary = std::make_unique<const RotaryTable>(builder.rotary(false));
  auto local_rotary = std::make_unique<const RotaryTable>(builder.rotary(true));
  Workspace workspace;
  auto groups = build_layers(builder, config, *rotary, *local_rotary, Execution(workspace, options.pool));
  auto convolution = builder.convolution();
  auto position_bias = builder.position_bias();
  Norm final_norm = builder.final_norm();
  auto output_projection = builder.output_projection();
  check_all_read(loader, layout, folder);
  std::int64_t num_parameters = 0;
  for (const auto& [name, tensor] : archive.tensors()) {
    if (!is_of_another_tower(config.model_type, name)) num_parameters += tensor.num_elements();
  }
  std::string dtype = loader.dtype(found.names.word_embeddings + ".weight");
  AlignedBuffer<float> head;
  const ConstMatrixView outputs = output_embeddings(archive, config, embeddings.words(), folder.string(), head);
  return Encoder({config, std::move(archive), std::move(words), std::move(embeddings), std::move(position_bias),
                  std::move(rotary), std::move(local_rotary), std::move(groups), std::move(convolution),
                  std::move(final_norm), std::move(output_projection), num_parameters, std::move(dtype), outputs,
                  std::move(head), found.prefix});
}

}  // namespace treble::internal
