#include "models/classification_head.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "models/head_config.h"
#include "models/model_registry.h"
#include "models/weight_loader.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

/// Far beyond every real model.
constexpr std::int64_t kMaxLabels = std::int64_t{1} << 16;

[[noreturn]] void fail_id(const JsonObject& config, const std::string& id, std::size_t count) {
  fail_at(config, ErrorCode::invalid_file, R"("id2label" has {} labels, and the id "{}"; ids go from 0 to {})", count,
          for_message(id), count - 1);
}

std::vector<std::string> labels_by_id(const JsonObject& config, const nlohmann::json& names) {
  if (!names.is_object() || names.empty() || static_cast<std::int64_t>(names.size()) > kMaxLabels) {
    fail_at(config, ErrorCode::invalid_file, "\"id2label\" must be an object with a label for each of up to {} ids",
            kMaxLabels);
  }
  std::vector<std::string> labels(names.size());
  std::vector<bool> named(names.size());
  for (const auto& [id, label] : names.items()) {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), index);
    if (error != std::errc() || end != id.data() + id.size() || index >= names.size() || named[index]) {
      fail_id(config, id, names.size());
    }
    named[index] = true;
    labels[index] = label.is_string() ? label.get<std::string>() : json_text(label);
  }
  return labels;
}

/// Reads the head's tensors: a family may have them among its encoder's names or beside them.
class HeadReader {
 public:
  HeadReader(const Encoder& encoder, const std::filesystem::path& folder)
      : folder_(folder),
        within_(encoder.archive(), encoder.prefix(), folder.string()),
        beside_(encoder.archive(), "", folder.string()) {}

  HeadLayer layer(const std::string& stem, std::int64_t in, std::int64_t out, bool bias) const {
    const WeightLoader& loader = loader_of(stem);
    return {.in = in,
            .out = out,
            .weight = loader.matrix(stem + ".weight", out, in),
            .bias = bias ? loader.vector(stem + ".bias", out) : std::vector<float>()};
  }

  /// One row of the classifier, or of what it is tied to.
  AlignedBuffer<float> row(const HeadConfig& head, std::int64_t rows, std::int64_t in, std::int64_t index) const {
    const bool stored = within_.has(head.classifier + ".weight") || beside_.has(head.classifier + ".weight");
    const std::string& stem = stored || head.tied_classifier.empty() ? head.classifier : head.tied_classifier;
    return loader_of(stem).matrix_rows(stem + ".weight", rows, in, index, 1);
  }

  Norm norm(const HeadConfig& head, std::int64_t size) const {
    return loader_of(head.norm).norm(head.norm, size,
                                     {.kind = NormKind::layer, .bias = head.norm_bias, .eps = head.norm_eps});
  }

  /// What a classifier has beyond the head that is known of its family would change its logits.
  void check_all_read(const HeadConfig& head, const EncoderConfig& config) const {
    const std::string part = head.classifier.substr(0, head.classifier.find('.')) + ".";
    for (const std::string& name : beside_.unread()) {
      const auto read = within_.unread();
      if (!name.starts_with(part) || std::find(read.begin(), read.end(), name) == read.end()) continue;
      fail_file(folder_, ErrorCode::unsupported,
                "the weights hold {}, which the classification head of a {} model does not have; the head computes "
                "something else than that",
                for_message(name), config.model_type);
    }
  }

 private:
  const WeightLoader& loader_of(const std::string& stem) const {
    if (within_.has(stem + ".weight")) return within_;
    if (beside_.has(stem + ".weight")) return beside_;
    fail_file(
        folder_, ErrorCode::invalid_file,
        "the weights lack the tensor {}.weight of the head that gives scores: the model's files say that it has "
        "one, but the checkpoint holds none of its family; load the folder as an embedding model (SentenceEncoder, "
        "treble embed), or fetch the weights again",
        stem);
  }

  const std::filesystem::path& folder_;
  WeightLoader within_;
  WeightLoader beside_;
};

void check_labels(const Encoder& encoder, const HeadConfig& head, const std::vector<std::string>& labels,
                  const std::filesystem::path& folder) {
  const std::string name = head.classifier + ".weight";
  const StoredTensor* classifier = encoder.archive().find(name);
  if (classifier == nullptr || classifier->shape.size() != 2) return;
  if (classifier->shape[0] == std::ssize(labels)) return;
  fail_file(folder, ErrorCode::invalid_file,
            "{} has {} rows, a score each, but config.json has {} labels (id2label, or num_labels, else 2); the two "
            "belong to different models",
            name, classifier->shape[0], labels.size());
}

}  // namespace

std::vector<std::string> read_labels(const JsonObject& config) {
  if (const nlohmann::json* names = config.find("id2label")) return labels_by_id(config, *names);
  const std::int64_t count = config.integer("num_labels").value_or(2);
  if (count < 1 || count > kMaxLabels) {
    fail_at(config, ErrorCode::invalid_file, "\"num_labels\" is {}, it must be from 1 to {}", count, kMaxLabels);
  }
  std::vector<std::string> labels;
  labels.reserve(static_cast<std::size_t>(count));
  for (std::int64_t index = 0; index < count; ++index) labels.push_back(fmt::format("LABEL_{}", index));
  return labels;
}

ClassificationHead load_head(const Encoder& encoder, const std::filesystem::path& folder) {
  const auto json = JsonObject::from_file(folder / "config.json");
  const HeadConfig config = read_head_config(json);
  const auto labels = read_labels(json);
  const std::int64_t hidden = encoder.config().hidden_size;
  const HeadReader reader(encoder, folder);
  check_labels(encoder, config, labels, folder);
  ClassificationHead head{.pooling = config.pooling, .layers = {}};
  if (!config.dense.empty()) {
    HeadLayer dense = reader.layer(config.dense, hidden, hidden, config.dense_bias);
    dense.activation = config.activation;
    if (!config.norm.empty()) dense.norm = reader.norm(config, hidden);
    head.layers.push_back(std::move(dense));
  }
  head.layers.push_back(reader.layer(config.classifier, hidden, std::ssize(labels), config.classifier_bias));
  reader.check_all_read(config, encoder.config());
  return head;
}

ClassificationHead load_token_head(const Encoder& encoder, const std::filesystem::path& folder,
                                   const TokenScore& score) {
  const HeadConfig config = read_language_head_config(JsonObject::from_file(folder / "config.json"));
  const std::int64_t hidden = encoder.config().hidden_size;
  const std::int64_t rows = encoder.config().vocab_size;
  for (const std::int64_t token : {score.true_token, score.false_token.value_or(score.true_token)}) {
    if (token >= 0 && token < rows) continue;
    fail_file(folder, ErrorCode::invalid_file, "the score is to be of token {}, but the vocabulary has {}", token,
              rows);
  }
  const HeadReader reader(encoder, folder);
  HeadLayer layer{.in = hidden, .out = 1, .weight = reader.row(config, rows, hidden, score.true_token)};
  if (score.false_token) {
    const auto other = reader.row(config, rows, hidden, *score.false_token);
    for (std::int64_t i = 0; i < hidden; ++i) layer.weight.data()[i] -= other.data()[i];
  }
  ClassificationHead head{.pooling = config.pooling, .layers = {}};
  head.layers.push_back(std::move(layer));
  return head;
}

}  // namespace treble::internal
