#include "models/static_embedding.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "models/folder_check.h"
#include "models/weight_loader.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

constexpr const char* kWhole = "embedding.weight";
constexpr const char* kRows = "embeddings";
constexpr const char* kMapping = "mapping";
constexpr const char* kTokenWeights = "weights";

/// The tensors of a table, which the archive holds.
struct Table {
  std::string name;
  const StoredTensor* rows = nullptr;
  const StoredTensor* mapping = nullptr;
  const StoredTensor* weights = nullptr;

  std::int64_t width() const { return rows->shape[1]; }
  std::int64_t tokens() const { return mapping != nullptr ? mapping->shape[0] : rows->shape[0]; }
};

void check_shape(const StoredTensor& tensor, std::string_view name, std::size_t axes, const char* what) {
  const auto& shape = tensor.shape;
  constexpr std::int64_t kMaxSize = std::int64_t{1} << 24;
  const bool fits = shape.size() == axes &&
                    std::all_of(shape.begin(), shape.end(), [](std::int64_t n) { return n >= 1 && n <= kMaxSize; });
  if (fits) return;
  fail_file(tensor.file, ErrorCode::invalid_file, "tensor {} is [{}]; {} has {}", name, fmt::join(shape, ", "), what,
            axes == 2 ? "a row a token: [tokens, dimensions]" : "a number a token: [tokens]");
}

Table find_table(const TensorArchive& archive, const fs::path& folder) {
  Table table;
  table.name = archive.find(kWhole) != nullptr ? kWhole : kRows;
  table.rows = archive.find(table.name);
  if (table.rows == nullptr) {
    fail_file(folder, ErrorCode::invalid_file,
              R"(the weights hold neither "{}" of a StaticEmbedding nor "{}" of model2vec)", kWhole, kRows);
  }
  check_shape(*table.rows, table.name, 2, "a StaticEmbedding");
  if (table.name == kRows) {
    table.mapping = archive.find(kMapping);
    table.weights = archive.find(kTokenWeights);
  }
  if (table.mapping != nullptr) check_shape(*table.mapping, kMapping, 1, "model2vec's mapping");
  if (table.weights != nullptr) {
    check_shape(*table.weights, kTokenWeights, 1, "model2vec's weights");
    if (table.weights->shape[0] != table.tokens()) {
      fail_file(table.weights->file, ErrorCode::invalid_file, R"("{}" is of {} tokens, "{}" of {})", kTokenWeights,
                table.weights->shape[0], table.mapping != nullptr ? kMapping : kRows, table.tokens());
    }
  }
  for (const auto& [name, tensor] : archive.tensors()) {
    if (&tensor == table.rows || &tensor == table.mapping || &tensor == table.weights) continue;
    fail_file(
        tensor.file, ErrorCode::unsupported,
        "the tensor \"{}\" is none of a StaticEmbedding's; the checkpoint computes something else than the mean of "
        "token embeddings",
        for_message(name));
  }
  return table;
}

EncoderConfig config_of(const Table& table) {
  EncoderConfig config;
  config.model_type = table.name == kRows ? "model2vec" : "static-embedding";
  config.architecture = "StaticEmbedding";
  config.vocab_size = table.tokens();
  config.hidden_size = table.width();
  config.num_positions = EncoderConfig::kRecurrentLimit;
  config.unlimited_positions = true;
  config.embedding_norm = false;
  return config;
}

template <typename Integer>
std::int64_t integer_at(const StoredTensor& tensor, std::int64_t index) {
  Integer value = 0;
  std::memcpy(&value, tensor.bytes.data() + static_cast<std::size_t>(index) * sizeof(value), sizeof(value));
  return static_cast<std::int64_t>(value);
}

/// Of each token id, the row that holds its embedding.
std::vector<std::int32_t> read_mapping(const Table& table) {
  const StoredTensor& mapping = *table.mapping;
  if (mapping.dtype != DType::kI64 && mapping.dtype != DType::kI32) {
    fail_file(mapping.file, ErrorCode::unsupported, "\"{}\" has the type {}; it must be I64 or I32", kMapping,
              dtype_name(mapping.dtype));
  }
  const std::int64_t rows = table.rows->shape[0];
  std::vector<std::int32_t> result(static_cast<std::size_t>(table.tokens()));
  for (std::int64_t token = 0; token < table.tokens(); ++token) {
    const std::int64_t row = mapping.dtype == DType::kI64 ? integer_at<std::int64_t>(mapping, token)
                                                          : integer_at<std::int32_t>(mapping, token);
    if (row < 0 || row >= rows) {
      fail_file(mapping.file, ErrorCode::invalid_file, R"("{}" gives token {} the row {}; "{}" has {} rows)", kMapping,
                token, row, kRows, rows);
    }
    result[static_cast<std::size_t>(token)] = static_cast<std::int32_t>(row);
  }
  return result;
}

/// In place where possible; int8 is what model2vec quantises to, for tables with weights of tokens.
StoredRows read_rows(const Table& table, const WeightLoader& loader, AlignedBuffer<float>& owned) {
  const StoredTensor& rows = *table.rows;
  if (rows.dtype != DType::kI8) return loader.stored_rows(table.name, rows.shape[0], table.width(), owned);
  if (table.weights == nullptr) {
    fail_file(rows.file, ErrorCode::unsupported, R"("{}" has the type I8 without "{}", by which it is multiplied)",
              table.name, kTokenWeights);
  }
  const auto size = static_cast<std::size_t>(rows.num_elements());
  float* values = owned.ensure(size);
  for (std::size_t i = 0; i < size; ++i) {
    values[i] = static_cast<float>(integer_at<std::int8_t>(rows, static_cast<std::int64_t>(i)));
  }
  return StoredRows({values, rows.shape[0], table.width()});
}

}  // namespace

bool is_static_embedding(const fs::path& model_folder) {
  if (is_there(model_folder / "modules.json")) {
    const auto modules = parse_json_file(model_folder / "modules.json");
    if (!modules.is_array() || modules.empty() || !modules.front().is_object()) return false;
    const auto type = modules.front().find("type");
    if (type == modules.front().end() || !type->is_string()) return false;
    const auto& name = type->get_ref<const std::string&>();
    return name.starts_with("sentence_transformers.") && name.ends_with(".StaticEmbedding");
  }
  const fs::path config = model_folder / "config.json";
  if (!is_there(config)) return false;
  const auto json = JsonObject::from_file(config);
  const auto type = json.value().find("model_type");
  return type != json.value().end() && *type == nlohmann::json("model2vec");
}

EncoderConfig read_static_config(const fs::path& folder) {
  const TensorArchive archive = TensorArchive::open_folder(folder);
  return config_of(find_table(archive, folder));
}

Encoder load_static_encoder(const fs::path& folder) {
  TensorArchive archive = TensorArchive::open_folder(folder);
  refuse_quantized(archive);
  const Table table = find_table(archive, folder);
  const EncoderConfig config = config_of(table);
  const std::string dtype(dtype_name(table.rows->dtype));
  const WeightLoader loader(archive, "", folder.string());
  AlignedBuffer<float> words;
  EmbeddingLayer::Parts parts;
  parts.word_embeddings = read_rows(table, loader, words);
  parts.word_embeddings_source = loader.place(table.name);
  if (table.mapping != nullptr) parts.row_of = read_mapping(table);
  if (table.weights != nullptr) parts.token_scales = loader.vector(kTokenWeights, table.tokens());
  parts.max_tokens = config.max_tokens();
  return Encoder({.config = config,
                  .archive = std::move(archive),
                  .words = std::move(words),
                  .embeddings = EmbeddingLayer(std::move(parts)),
                  .position_bias = {},
                  .rotary = nullptr,
                  .local_rotary = nullptr,
                  .groups = {},
                  .convolution = {},
                  .final_norm = {},
                  .num_parameters = config.vocab_size * config.hidden_size,
                  .weights_dtype = dtype});
}

}  // namespace treble::internal
