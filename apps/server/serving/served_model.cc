#include "serving/served_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "treble/error.h"
#include "treble/outputs.h"

namespace treble::server {

namespace {

std::unique_ptr<const Reranker> load_reranker(const ModelOptions& options) {
  if (!is_cross_encoder(options.model)) return nullptr;
  return std::make_unique<const Reranker>(Reranker::load(options));
}

/// What the server has routes for. Throws Error{unsupported} for a model that gives a vector for each token alone.
std::unique_ptr<const SentenceEncoder> load_vectors(const ModelOptions& options) {
  auto encoder = std::make_unique<const SentenceEncoder>(SentenceEncoder::load(options));
  if (encoder->info().outputs.front() == OutputKind::multi_vector) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{} gives a vector for each token; the server answers with dense and sparse vectors and "
                            "with scores of rerankers. treble embed --output-kind multi-vector writes its vectors",
                            encoder->info().name));
  }
  return encoder;
}

}  // namespace

ServedModel::ServedModel(const ServedModelOptions& options)
    : reranker_(load_reranker(options.model)),
      vectors_(reranker_ ? nullptr : load_vectors(options.model)),
      name_(options.name.empty() ? encoder().info().name : options.name),
      source_(options.model.model),
      defaults_(options.encode),
      ranges_(options.ranges),
      queue_(encoder(), options.queue) {
  validate(defaults_);
  // Read once now rather than when the first /info asks.
  encoder().weights_sha256();
}

void ServedModel::validate(const EncodeOptions& options) const {
  validate_outputs(encoder(), std::span(encoder().info().outputs).first(1), {.encode = options});
}

ModelRegistry::ModelRegistry(const std::vector<ServedModelOptions>& models) {
  if (models.empty()) throw Error(ErrorCode::invalid_argument, "there is no model to serve");
  for (const ServedModelOptions& options : models) {
    auto model = std::make_unique<ServedModel>(options);
    if (find(model->name()) != nullptr) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("two models would be served as \"{}\"; give each a name of its own", model->name()));
    }
    models_.push_back(std::move(model));
  }
}

ServedModel* ModelRegistry::find(std::string_view name) const noexcept {
  if (name.empty() && !models_.empty()) return models_.front().get();
  const auto found = std::ranges::find_if(models_, [&](const auto& model) { return model->name() == name; });
  return found == models_.end() ? nullptr : found->get();
}

std::string ModelRegistry::names() const {
  std::vector<std::string_view> names;
  for (const auto& model : models_) names.emplace_back(model->name());
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace treble::server
