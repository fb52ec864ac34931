// A loaded model behind a name: its encoder or its reranker, its queue, and what requests to it get unless they say
// otherwise.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "treble/precision.h"
#include "treble/request_queue.h"
#include "treble/reranker.h"
#include "treble/sentence_encoder.h"

namespace treble::server {

struct ServedModelOptions {
  std::string name = {};      ///< in requests' `model`; empty: the model's own name
  ModelOptions model = {};    ///< how it is loaded
  EncodeOptions encode = {};  ///< of requests that say nothing else: temperature, state, prompt_name, truncation
  RequestQueueOptions queue = {};
  std::optional<VectorRanges> ranges = {};  ///< for vectors in int8 and uint8
};

class ServedModel {
 public:
  /// Loads the model, as a reranker where its files are a cross-encoder's. Throws what SentenceEncoder::load (or that
  /// of Reranker) and, of the first of its outputs, validate_outputs throw.
  explicit ServedModel(const ServedModelOptions& options);

  const std::string& name() const noexcept { return name_; }
  /// The folder or name that it was loaded from, as it was given.
  const std::string& source() const noexcept { return source_; }
  /// Of a reranker, what gives its logits.
  const SentenceEncoder& encoder() const noexcept { return reranker_ ? reranker_->encoder() : *vectors_; }
  /// nullptr: an embedding model.
  const Reranker* reranker() const noexcept { return reranker_.get(); }
  /// Whether texts get a dense vector: of an embedding model that has such an output.
  bool gives_vectors() const noexcept { return reranker_ == nullptr && vectors_->info().dim > 0; }
  /// Throws what a call with these options for the first of its outputs throws whatever the texts.
  void validate(const EncodeOptions& options) const;
  RequestQueue& queue() noexcept { return queue_; }
  const EncodeOptions& defaults() const noexcept { return defaults_; }
  const std::optional<VectorRanges>& ranges() const noexcept { return ranges_; }

 private:
  /// One of the two.
  std::unique_ptr<const Reranker> reranker_;
  std::unique_ptr<const SentenceEncoder> vectors_;
  std::string name_;
  std::string source_;
  EncodeOptions defaults_;
  std::optional<VectorRanges> ranges_;
  RequestQueue queue_;  ///< last: it ends before what it uses
};

/// Models by name; fixed after construction.
class ModelRegistry {
 public:
  /// Throws Error{invalid_argument} for no model and for two of one name.
  explicit ModelRegistry(const std::vector<ServedModelOptions>& models);

  /// The model of this name; the only or first one for an empty name; nullptr where there is none.
  ServedModel* find(std::string_view name) const noexcept;
  const std::vector<std::unique_ptr<ServedModel>>& all() const noexcept { return models_; }
  /// "mini, bge": for messages.
  std::string names() const;

 private:
  std::vector<std::unique_ptr<ServedModel>> models_;
};

}  // namespace treble::server
