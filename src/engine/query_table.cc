#include "engine/query_table.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "engine/length_limit.h"
#include "models/weight_loader.h"
#include "safetensors/message_text.h"
#include "safetensors/safetensors.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

/// As OpenSearch's idf.json.
std::vector<float> read_idf(const fs::path& file, const Tokenizer& tokenizer) {
  const auto json = JsonObject::from_file(file);
  std::vector<float> weights(static_cast<std::size_t>(tokenizer.max_token_id() + 1));
  for (const auto& [token, weight] : json.value().items()) {
    const auto id = tokenizer.token_to_id(token);
    if (!id || !weight.is_number() || !std::isfinite(weight.get<float>())) {
      fail_at(json, ErrorCode::invalid_file, "the weight of \"{}\" is {:.40}: {}", for_message(token), weight.dump(),
              id ? "it must be a number" : "the tokenizer has no such token");
    }
    weights[static_cast<std::size_t>(*id)] = weight.get<float>();
  }
  return weights;
}

std::vector<float> read_table(const fs::path& folder) {
  const TensorArchive archive = TensorArchive::open_folder(folder);
  const StoredTensor* tensor = archive.find("weight");
  if (tensor == nullptr || tensor->shape.size() != 1) {
    fail_file(folder, ErrorCode::invalid_file, "a SparseStaticEmbedding has one tensor \"weight\" [tokens]");
  }
  const WeightLoader loader(archive, "", folder.string());
  return loader.vector("weight", tensor->shape.front());
}

/// The JSON file that "path" of a config names; nothing without that key.
std::optional<fs::path> idf_file(const JsonObject& config, const fs::path& folder, const fs::path& model_folder) {
  const auto path = config.string("path");
  if (!path) return std::nullopt;
  const fs::path name(*path);
  if (!path->ends_with(".json") || name.is_absolute() || std::find(name.begin(), name.end(), "..") != name.end()) {
    fail_at(config, ErrorCode::unsupported,
            R"("path" is "{}"; Treble reads a JSON file {{token: weight}} within the model's folder)",
            for_message(*path));
  }
  for (const fs::path& place : {folder / name, model_folder / name}) {
    if (is_there(place)) return place;
  }
  fail_at(config, ErrorCode::not_found, R"("path" is "{}", which is neither in that folder nor in the model's)",
          for_message(*path));
}

}  // namespace

QueryTable::QueryTable(Tokenizer tokenizer, std::vector<float> weights, std::optional<std::int64_t> limit)
    : tokenizer_(std::move(tokenizer)), weights_(std::move(weights)), limit_(limit) {}

QueryTable QueryTable::load(const fs::path& folder, const fs::path& model_folder, std::int64_t vocab_size) {
  const auto config = JsonObject::from_file(folder / "config.json");
  for (const auto& [key, value] : config.value().items()) {
    if (key == "frozen" || key == "path") continue;
    fail_at(config, ErrorCode::unsupported, "unknown key \"{}\"; SparseStaticEmbedding has frozen and path",
            for_message(key));
  }
  Tokenizer tokenizer = Tokenizer::from_folder(folder);
  const auto idf = idf_file(config, folder, model_folder);
  std::vector<float> weights = idf ? read_idf(*idf, tokenizer) : read_table(folder);
  if (std::ssize(weights) > vocab_size) {
    fail_file(folder, ErrorCode::invalid_file,
              "the table of queries has {} tokens, the vocabulary of the documents' model {}; the two belong to "
              "different models",
              weights.size(), vocab_size);
  }
  std::optional<std::int64_t> limit;
  const fs::path settings = folder / "tokenizer_config.json";
  if (is_there(settings)) {
    const auto stated = read_limit(JsonObject::from_file(settings), "model_max_length");
    if (stated && stated->tokens != kNoLimit) limit = stated->tokens;
  }
  return {std::move(tokenizer), std::move(weights), limit};
}

QueryTable::Query QueryTable::read(std::string_view text, std::optional<std::int64_t> max_length,
                                   std::optional<Truncation> truncation) const {
  TokenizeOptions options{.max_length = std::nullopt, .add_special_tokens = false};
  if (const auto most = max_length ? max_length : limit_) options.max_length = static_cast<std::size_t>(*most);
  options.truncation = truncation;
  const TokenizedText tokenized = tokenizer_.encode(text, options);
  Query query;
  query.tokens = static_cast<std::int64_t>(tokenized.num_tokens);
  query.used = std::ssize(tokenized.ids);
  for (const std::int32_t id : std::set<std::int32_t>(tokenized.ids.begin(), tokenized.ids.end())) {
    const auto row = static_cast<std::size_t>(id);
    if (row >= weights_.size() || weights_[row] == 0) continue;
    query.weights.indices.push_back(id);
    query.weights.values.push_back(weights_[row]);
  }
  return query;
}

}  // namespace treble::internal
