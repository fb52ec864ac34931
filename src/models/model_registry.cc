#include "models/model_registry.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "models/family.h"
#include "models/weight_loader.h"

namespace treble {

namespace {

std::vector<Family> families() { return {bert_family(), roberta_family(), distilbert_family(), mpnet_family()}; }

Family find_family(const JsonObject& json) {
  const std::string model_type = json.string("model_type").value_or("");
  for (Family& family : families()) {
    if (std::find(family.model_types.begin(), family.model_types.end(), model_type) != family.model_types.end()) {
      return std::move(family);
    }
  }
  fail(ErrorCode::unsupported, "{}: model_type \"{}\" is not supported; supported are {}", json.origin(), model_type,
       supported_model_types());
}

void check_range(const JsonObject& json, const char* what, std::int64_t value, std::int64_t most) {
  if (value >= 1 && value <= most) return;
  fail(ErrorCode::invalid_file, "{}: {} is {}, it must be between 1 and {}", json.origin(), what, value, most);
}

/// Bounds that every real model keeps by far; they make products of sizes safe from overflow.
void check_sizes(const JsonObject& json, const EncoderConfig& config) {
  check_range(json, "the vocabulary size", config.vocab_size, std::int64_t{1} << 24);
  check_range(json, "the hidden size", config.hidden_size, std::int64_t{1} << 16);
  check_range(json, "the number of layers", config.num_layers, 4096);
  check_range(json, "the number of attention heads", config.num_heads, config.hidden_size);
  check_range(json, "the intermediate size", config.intermediate_size, std::int64_t{1} << 20);
  check_range(json, "the number of positions", config.num_positions, std::int64_t{1} << 24);
  if (config.num_token_types < 0 || config.num_token_types > (std::int64_t{1} << 16)) {
    fail(ErrorCode::invalid_file, "{}: type_vocab_size is {}, it must be between 0 and 65536", json.origin(),
         config.num_token_types);
  }
  if (config.hidden_size % config.num_heads != 0) {
    fail(ErrorCode::invalid_file, "{}: the hidden size {} is not a multiple of the {} attention heads", json.origin(),
         config.hidden_size, config.num_heads);
  }
  if (config.position_offset < 0 || config.position_offset >= config.num_positions) {
    fail(ErrorCode::invalid_file, "{}: positions begin at {}, the table has {}", json.origin(), config.position_offset,
         config.num_positions);
  }
  if (!(config.norm_eps >= 0 && config.norm_eps < 1)) {
    fail(ErrorCode::invalid_file, "{}: layer_norm_eps is {}, it must be between 0 and 1", json.origin(), config.norm_eps);
  }
  const std::int64_t buckets = config.relative_buckets.num_buckets;
  if (buckets != 0 && (buckets < 4 || buckets > 4096 || buckets % 4 != 0)) {
    fail(ErrorCode::invalid_file, "{}: relative_attention_num_buckets is {}, it must be a multiple of 4 up to 4096",
         json.origin(), buckets);
  }
}

EncoderConfig checked_config(const Family& family, const JsonObject& json) {
  EncoderConfig config = family.read_config(json);
  config.model_type = json.required_string("model_type");
  const auto architectures = json.value().find("architectures");
  if (architectures != json.value().end() && architectures->is_array() && !architectures->empty() &&
      architectures->front().is_string()) {
    config.architecture = architectures->front().get<std::string>();
  }
  check_sizes(json, config);
  return config;
}

/// Builds the layers of one model.
class EncoderBuilder {
 public:
  EncoderBuilder(const WeightLoader& loader, const WeightNames& names, const EncoderConfig& config)
      : loader_(loader), names_(names), config_(config) {}

  EmbeddingLayer embeddings(AlignedBuffer<float>& words) const {
    const std::int64_t width = config_.hidden_size;
    EmbeddingLayer::Tables tables;
    tables.words = loader_.matrix_in_place(names_.word_embeddings + ".weight", config_.vocab_size, width, words);
    tables.positions = loader_.matrix(names_.position_embeddings + ".weight", config_.num_positions, width);
    tables.num_positions = config_.num_positions;
    tables.position_offset = config_.position_offset;
    tables.uncounted_id = config_.uncounted_id;
    if (config_.num_token_types > 0) add_token_type(tables);
    return {std::move(tables), loader_.layer_norm(names_.embedding_norm, width, config_.norm_eps)};
  }

  PositionBias position_bias() const {
    const RelativeBuckets& buckets = config_.relative_buckets;
    if (buckets.num_buckets == 0) return {};
    const auto table = loader_.matrix(names_.relative_bias + ".weight", buckets.num_buckets, config_.num_heads);
    return {ConstMatrixView(table.data(), buckets.num_buckets, config_.num_heads), buckets, config_.max_tokens()};
  }

  EncoderLayer layer(std::int64_t index) const {
    const std::int64_t width = config_.hidden_size;
    const std::int64_t wide = config_.intermediate_size;
    const auto name = [index](const std::string& stem) { return fmt::format(fmt::runtime(stem), index); };
    SelfAttention attention(
        linear({name(names_.query), name(names_.key), name(names_.value)}, width, width, {}),
        linear({name(names_.attention_output)}, width, width, {.accumulate = true}), config_.num_heads);
    FeedForward feed_forward(linear({name(names_.up)}, wide, width, {.activation = config_.activation}),
                             linear({name(names_.down)}, width, wide, {.accumulate = true}));
    return {std::move(attention), loader_.layer_norm(name(names_.attention_norm), width, config_.norm_eps),
            std::move(feed_forward), loader_.layer_norm(name(names_.output_norm), width, config_.norm_eps)};
  }

 private:
  /// Every text is of type 0, so its row is part of every position.
  void add_token_type(EmbeddingLayer::Tables& tables) const {
    const std::string name = names_.token_type_embeddings + ".weight";
    const std::int64_t width = config_.hidden_size;
    const auto types = loader_.matrix(name, config_.num_token_types, width);
    for (std::int64_t position = 0; position < tables.num_positions; ++position) {
      add_row({types.data(), static_cast<std::size_t>(width)},
              {tables.positions.data() + position * width, static_cast<std::size_t>(width)});
    }
  }

  /// One product for layers that share their input: their rows stacked.
  Linear linear(const std::vector<std::string>& stems, std::int64_t out, std::int64_t in,
                const Linear::Options& options) const {
    const auto count = static_cast<std::int64_t>(stems.size());
    AlignedBuffer<float> weight(static_cast<std::size_t>(count * out * in));
    std::vector<float> bias;
    for (std::size_t part = 0; part < stems.size(); ++part) {
      const auto values = loader_.matrix(stems[part] + ".weight", out, in);
      std::copy_n(values.data(), out * in, weight.data() + static_cast<std::int64_t>(part) * out * in);
      const auto part_bias = loader_.vector(stems[part] + ".bias", out);
      bias.insert(bias.end(), part_bias.begin(), part_bias.end());
    }
    return {ConstMatrixView(weight.data(), count * out, in), bias, options};
  }

  const WeightLoader& loader_;
  const WeightNames& names_;
  const EncoderConfig& config_;
};

}  // namespace

std::string supported_model_types() {
  std::vector<std::string> types;
  for (const Family& family : families()) {
    types.insert(types.end(), family.model_types.begin(), family.model_types.end());
  }
  std::sort(types.begin(), types.end());
  return fmt::format("{}", fmt::join(types, ", "));
}

EncoderConfig read_encoder_config(const JsonObject& json) { return checked_config(find_family(json), json); }

Encoder load_encoder(const std::filesystem::path& folder) {
  const auto json = JsonObject::from_file(folder / "config.json");
  const Family family = find_family(json);
  const EncoderConfig config = checked_config(family, json);
  TensorArchive archive = TensorArchive::open_folder(folder);
  const WeightLoader loader(archive, family.names, folder.string());
  const EncoderBuilder builder(loader, family.names, config);

  AlignedBuffer<float> words;
  EmbeddingLayer embeddings = builder.embeddings(words);
  std::vector<EncoderLayer> layers;
  layers.reserve(static_cast<std::size_t>(config.num_layers));
  for (std::int64_t index = 0; index < config.num_layers; ++index) layers.push_back(builder.layer(index));
  PositionBias position_bias = builder.position_bias();
  std::int64_t num_parameters = 0;
  for (const auto& [name, tensor] : archive.tensors()) num_parameters += tensor.num_elements();
  std::string dtype = loader.dtype(family.names.word_embeddings + ".weight");
  return Encoder({config, std::move(archive), std::move(words), std::move(embeddings), std::move(position_bias),
                  std::move(layers), num_parameters, std::move(dtype)});
}

}  // namespace treble
