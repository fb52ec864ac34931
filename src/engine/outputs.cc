#include "treble/outputs.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "base/fail.h"
#include "engine/multi_vector_collector.h"
#include "engine/output_collector.h"
#include "engine/sentence_encoder_impl.h"
#include "engine/sparse_collector.h"

namespace treble {

using namespace internal;

namespace {

/// The vectors that `encode` gives.
class DenseCollector : public OutputCollector {
 public:
  DenseCollector(const ModuleChain& modules, const EncodeOptions& options, std::size_t texts)
      : modules_(modules),
        options_(options),
        out_(room_for(texts, modules.output_dim({options.normalize, options.dimensions}))) {}

  void take(const Execution& execution, const PackedBatch& batch, ConstMatrixView hidden) override {
    AlignedBuffer<float> buffer;
    const std::int64_t width = modules_.full_width();
    const MatrixView pooled(buffer.ensure(static_cast<std::size_t>(batch.num_sequences() * width)),
                            batch.num_sequences(), width);
    modules_.run(execution, batch, hidden, pooled);
    for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
      const std::int64_t text = batch.text_index[static_cast<std::size_t>(sequence)];
      const auto dim = static_cast<std::size_t>(out_.dim);
      const auto vector = std::span(out_.values).subspan(static_cast<std::size_t>(text) * dim, dim);
      modules_.finish(pooled.row_span(sequence), {options_.normalize, options_.dimensions}, vector);
      if (std::all_of(vector.begin(), vector.end(), [](float value) { return std::isfinite(value); })) continue;
      throw non_finite_vector(text, batch.length(sequence), options_.temperature);
    }
  }

  Embeddings& result() { return out_; }

 private:
  const ModuleChain& modules_;
  const EncodeOptions& options_;
  Embeddings out_;
};

bool wants(std::span<const OutputKind> kinds, OutputKind kind) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

/// Options of vectors that nobody asked for would be without effect.
void check_dense_options(std::span<const OutputKind> kinds, const EncodeOptions& options) {
  if (wants(kinds, OutputKind::dense) || (!options.normalize && !options.dimensions)) return;
  fail(ErrorCode::invalid_argument,
       "EncodeOptions::{} is of dense vectors, {} vectors have no such thing; leave it as it is",
       options.normalize ? "normalize" : "dimensions", to_string(kinds.front()));
}

/// What acts on layers would be without effect.
void check_table_options(const EncodeOptions& options, const std::string& model) {
  if (!options.temperature.is_identity() || !options.state.is_identity()) {
    fail(ErrorCode::unsupported,
         "{} {} would change nothing: {} reads queries by a table of weights, without attention; leave it out for "
         "queries",
         options.state.is_identity() ? "temperature" : "state control",
         options.state.is_identity() ? options.temperature.to_string() : options.state.to_string(), model);
  }
  if (options.max_length && *options.max_length < 1) {
    fail(ErrorCode::invalid_argument, "max_length is {}, it must be at least 1", *options.max_length);
  }
}

/// Of a model that reads queries and documents each in a way of its own; else null.
const MultiVectorHead* head_by_role(const OutputHeads& heads) {
  const MultiVectorHead* head = heads.multi_vector.get();
  return head != nullptr && head->reads_by_role() ? head : nullptr;
}

}  // namespace

WeighedQuery EncoderAccess::read_query(const SentenceEncoder& encoder, const CallPlan& plan, std::string_view text,
                                       std::int64_t index, const EncodeOptions& options) {
  try {
    auto query =
        encoder.impl_->heads.queries->read(plan.prompt + std::string(text), options.max_length, options.truncation);
    return {std::move(query.weights), {query.tokens, query.used}};
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("text {}: {}", index, error.what()),
                {.text_index = index, .file = error.file()});
  }
}

namespace {

/// Sparse vectors of queries, of a model that reads them by a table.
SparseVectors read_queries(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                           const CallPlan& plan, const OutputOptions& options) {
  const auto& model = EncoderAccess::implementation(encoder);
  const EncodeOptions encode = encode_options(options);
  const auto kept = max_active_dims(encoder, options);
  std::vector<TokenWeights> rows(texts.size());
  SparseVectors result;
  result.token_counts.resize(texts.size());
  CallWatch watch(encode, std::ssize(texts));
  EncoderAccess::parallel_for(encoder, std::ssize(texts), [&](std::int64_t index) {
    watch.check();
    const auto i = static_cast<std::size_t>(index);
    WeighedQuery query = EncoderAccess::read_query(encoder, plan, texts[i], index, encode);
    if (kept) keep_largest(*kept, query.weights);
    rows[i] = std::move(query.weights);
    result.token_counts[i] = query.tokens;
    watch.add(1);
  });
  watch.finish();
  put_together(rows, model.heads.sparse->dim(), result);
  return result;
}

}  // namespace

bool internal::reads_by_table(const SentenceEncoder& encoder, const OutputOptions& options) {
  const OutputHeads& heads = EncoderAccess::implementation(encoder).heads;
  if (!heads.queries) return false;
  const auto role = options.role ? options.role : heads.default_role;
  if (role) return *role == TextRole::query;
  fail(ErrorCode::invalid_argument,
       "the model reads queries and documents in ways of their own, and names neither as the default: set "
       "OutputOptions::role (--role)");
}

CallPlan internal::plan_outputs(const SentenceEncoder& encoder, std::span<const OutputKind> kinds,
                                const OutputOptions& options) {
  const auto& model = EncoderAccess::implementation(encoder);
  if (kinds.empty()) fail(ErrorCode::invalid_argument, "no output is asked for; name dense, sparse or multi-vector");
  for (const OutputKind kind : kinds) model.heads.require(kind, model.info.name);
  check_dense_options(kinds, options.encode);
  if (options.max_active_dims && (*options.max_active_dims < 1 || !wants(kinds, OutputKind::sparse))) {
    fail(ErrorCode::invalid_argument, "OutputOptions::max_active_dims is {}: it is at least 1, and of sparse outputs",
         *options.max_active_dims);
  }
  const EncodeOptions encode = reading_options(encoder, options);
  if (reads_by_table(encoder, options)) {
    check_table_options(encode, model.info.name);
    CallPlan plan;
    plan.prompt = model.resolve_prompt(encode);
    return plan;
  }
  if (wants(kinds, OutputKind::dense)) return model.plan(encode);
  model.check_call(encode);
  CallPlan plan = model.plan_reading(encode);
  if (const MultiVectorHead* head = head_by_role(model.heads)) {
    plan.expansion = head->expansion(options.role.value_or(TextRole::document));
  }
  return plan;
}

EncodeOptions internal::reading_options(const SentenceEncoder& encoder, const OutputOptions& options) {
  const auto& model = EncoderAccess::implementation(encoder);
  const MultiVectorHead* head = head_by_role(model.heads);
  if (head == nullptr) return encode_options(options);
  return head->reading(options.encode, options.role.value_or(TextRole::document), model.info.max_length);
}

std::optional<std::int64_t> internal::max_active_dims(const SentenceEncoder& encoder, const OutputOptions& options) {
  if (options.max_active_dims) return options.max_active_dims;
  return EncoderAccess::implementation(encoder).heads.max_active_dims;
}

std::optional<TextRole> internal::role_that_matters(const SentenceEncoder& encoder, const OutputOptions& options) {
  const auto& heads = EncoderAccess::implementation(encoder).heads;
  if (head_by_role(heads) != nullptr) return options.role.value_or(TextRole::document);
  return options.role || !heads.queries ? options.role : heads.default_role;
}

EncodeOptions internal::encode_options(const OutputOptions& options) {
  EncodeOptions encode = options.encode;
  if (options.role && !encode.prompt && !encode.prompt_name) encode.prompt_name = to_string(*options.role);
  return encode;
}

Outputs EncoderAccess::encode_outputs(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                      std::span<const OutputKind> kinds, const OutputOptions& options,
                                      Batching batching) {
  auto& model = EncoderAccess::implementation(encoder);
  const CallPlan plan = plan_outputs(encoder, kinds, options);
  const EncodeOptions encode = encode_options(options);
  if (reads_by_table(encoder, options)) return {.sparse = read_queries(encoder, texts, plan, options)};
  CallWatch watch(encode, std::ssize(texts));
  const auto tokenized = model.tokenize(texts, plan, &watch);
  std::vector<OutputCollector*> collectors;
  std::optional<DenseCollector> dense;
  std::optional<SparseCollector> sparse;
  std::optional<MultiVectorCollector> multi_vector;
  if (wants(kinds, OutputKind::dense)) collectors.push_back(&dense.emplace(*model.modules, encode, texts.size()));
  if (wants(kinds, OutputKind::sparse)) {
    collectors.push_back(
        &sparse.emplace(*model.heads.sparse, encode.temperature, max_active_dims(encoder, options), texts.size()));
  }
  if (wants(kinds, OutputKind::multi_vector)) {
    const TextRole role = options.role.value_or(TextRole::document);
    collectors.push_back(&multi_vector.emplace(*model.heads.multi_vector, role, encode.temperature, texts.size()));
  }
  if (!texts.empty()) collect_outputs(encoder, tokenized, encode, {collectors, batching}, watch);
  Outputs outputs;
  if (dense) {
    outputs.dense = std::move(dense->result());
    outputs.dense->token_counts = token_counts(tokenized);
  }
  if (sparse) {
    outputs.sparse = sparse->finish();
    outputs.sparse->token_counts = token_counts(tokenized);
  }
  if (multi_vector) {
    outputs.multi_vector = multi_vector->finish();
    outputs.multi_vector->token_counts = token_counts(tokenized);
  }
  return outputs;
}

Outputs encode_outputs(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                       std::span<const OutputKind> kinds, const OutputOptions& options) {
  return EncoderAccess::encode_outputs(encoder, texts, kinds, options, Batching::fastest);
}

void validate_outputs(const SentenceEncoder& encoder, std::span<const OutputKind> kinds, const OutputOptions& options) {
  plan_outputs(encoder, kinds, options);
}

}  // namespace treble
