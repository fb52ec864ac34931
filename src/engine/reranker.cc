#include "treble/reranker.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "base/fail.h"
#include "base/json_text.h"
#include "engine/encoder_access.h"
#include "models/model_location.h"
#include "models/model_parts.h"
#include "treble/provenance.h"

namespace treble {

using namespace internal;

namespace {

/// Over the labels of one pair; the largest is taken out, so that nothing overflows.
void softmax(std::span<float> row) {
  const float largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (float& value : row) {
    value = std::exp(value - largest);
    sum += double{value};
  }
  for (float& value : row) value = static_cast<float>(double{value} / sum);
}

Scores as_scores(Embeddings logits, ScoreActivation activation) {
  apply(activation, logits.values, logits.dim);
  return {.count = logits.count,
          .num_labels = logits.dim,
          .values = std::move(logits.values),
          .token_counts = std::move(logits.token_counts)};
}

std::string listed(const std::vector<std::string>& labels) {
  constexpr std::size_t kNamed = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(labels.size(), kNamed); ++i) text += (i > 0 ? ", " : "") + labels[i];
  return labels.size() > kNamed ? text + ", …" : text;
}

}  // namespace

std::string to_string(ScoreActivation activation) {
  switch (activation) {
    case ScoreActivation::identity: return "identity";
    case ScoreActivation::sigmoid: return "sigmoid";
    case ScoreActivation::softmax: return "softmax";
    case ScoreActivation::tanh: break;
  }
  return "tanh";
}

void apply(ScoreActivation activation, std::span<float> logits, std::int64_t num_labels) {
  if (num_labels < 1 || std::ssize(logits) % num_labels != 0) {
    fail(ErrorCode::invalid_argument, "{} logits are no rows of {} labels", logits.size(), num_labels);
  }
  switch (activation) {
    case ScoreActivation::identity: return;
    case ScoreActivation::sigmoid:
      for (float& value : logits) value = static_cast<float>(1 / (1 + std::exp(-double{value})));
      return;
    case ScoreActivation::softmax:
      for (std::size_t row = 0; row < logits.size(); row += static_cast<std::size_t>(num_labels)) {
        softmax(logits.subspan(row, static_cast<std::size_t>(num_labels)));
      }
      return;
    case ScoreActivation::tanh:
      for (float& value : logits) value = std::tanh(value);
      return;
  }
}

std::span<const float> Scores::row(std::int64_t index) const {
  if (index < 0 || index >= count) {
    fail(ErrorCode::invalid_argument, "there are no scores {}: there are {}", index, count);
  }
  const auto size = static_cast<std::size_t>(num_labels);
  return std::span(values).subspan(static_cast<std::size_t>(index) * size, size);
}

struct Reranker::Impl {
  const ScoreSettings& settings() const { return EncoderAccess::score_settings(encoder); }

  SentenceEncoder encoder;
};

Reranker::Reranker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reranker::Reranker(Reranker&&) noexcept = default;
Reranker& Reranker::operator=(Reranker&&) noexcept = default;
Reranker::~Reranker() = default;

Reranker Reranker::load(const ModelOptions& options) {
  return Reranker(std::make_unique<Impl>(Impl{EncoderAccess::load(options, ModelPurpose::scores)}));
}

void Reranker::validate(const RerankOptions& options) const {
  const EncodeOptions& encode = options.encode;
  if (encode.normalize || encode.dimensions || !encode.state.is_identity()) {
    fail(ErrorCode::invalid_argument,
         "RerankOptions::encode asks for {}; scores have no such thing, leave it as it is by default",
         encode.normalize    ? "normalize"
         : encode.dimensions ? "dimensions"
                             : "a state control");
  }
  impl_->encoder.validate(encode);
}

Scores Reranker::score(std::span<const TextPair> pairs, const RerankOptions& options) const {
  validate(options);
  return as_scores(EncoderAccess::encode_pairs(impl_->encoder, pairs, options.encode),
                   options.activation.value_or(activation()));
}

Scores Reranker::score(std::span<const std::string_view> texts, const RerankOptions& options) const {
  validate(options);
  return as_scores(impl_->encoder.encode(texts, options.encode), options.activation.value_or(activation()));
}

std::vector<RankedText> Reranker::rank(std::string_view query, std::span<const std::string_view> texts,
                                       const RerankOptions& options) const {
  if (labels().size() != 1) {
    fail(ErrorCode::unsupported,
         "{} has {} scores a pair ({}), which give no order; a ranking takes a model of one score. Use Reranker::score",
         info().name, labels().size(), listed(labels()));
  }
  std::vector<TextPair> pairs;
  pairs.reserve(texts.size());
  for (const std::string_view text : texts) pairs.push_back({query, text});
  const Scores scores = score(pairs, options);
  std::vector<RankedText> ranked(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ranked[i] = {static_cast<std::int64_t>(i), scores.values[i], scores.token_counts[i]};
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const RankedText& a, const RankedText& b) { return a.score > b.score; });
  return ranked;
}

const std::vector<std::string>& Reranker::labels() const noexcept { return impl_->settings().labels; }
ScoreActivation Reranker::activation() const noexcept { return impl_->settings().activation; }
const ModelInfo& Reranker::info() const noexcept { return impl_->encoder.info(); }
const SentenceEncoder& Reranker::encoder() const noexcept { return impl_->encoder; }

bool is_cross_encoder(const std::string& model) {
  ModelParts parts;
  parts.folder = find_model_folder(model);
  parts.transformer = parts.weights = transformer_folder(parts.folder);
  return internal::is_cross_encoder(parts);
}

std::string provenance_json(const Reranker& reranker, const RerankOptions& options) {
  reranker.validate(options);
  auto json = try_parse_ordered(provenance_json(reranker.encoder(), options.encode));
  for (const char* key : {"normalized", "similarity", "dim", "dimensions"}) json.erase(key);
  json["labels"] = reranker.labels();
  json["activation"] = to_string(options.activation.value_or(reranker.activation()));
  return json_text(json);
}

}  // namespace treble
