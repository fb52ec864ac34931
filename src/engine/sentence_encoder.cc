#include "treble/sentence_encoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/fail_about.h"
#include "batch/batch_packer.h"
#include "engine/model_info.h"
#include "engine/sentence_encoder_impl.h"

namespace treble {

namespace {

/// Tokens that one thread carries at a time: enough rows for the GEMMs to run at full speed, few enough for
/// the activations to stay close to the core. Measured in benchmarks/.
constexpr std::int64_t kBatchTokens = 512;
/// Texts of a call are split finer than that only down to this size, so that every thread gets some.
constexpr std::int64_t kMinBatchTokens = 64;

}  // namespace

/// The same texts with one token each.
PackedBatch internal::one_token_each(const PackedBatch& batch) {
  PackedBatch result;
  for (std::int64_t sequence = 0; sequence <= batch.num_sequences(); ++sequence) result.offsets.push_back(sequence);
  result.text_index = batch.text_index;
  result.prompt_tokens.assign(batch.text_index.size(), 0);
  return result;
}

BatchPlan internal::plan_batches(const EncodeOptions& options, int threads, Batching batching) {
  if (options.batch_tokens != 0) return {options.batch_tokens};
  if (batching == Batching::repeatable) return {kBatchTokens};
  return {kBatchTokens, threads, kMinBatchTokens};
}

Embeddings internal::room_for(std::size_t count, std::int64_t dim) {
  Embeddings out;
  out.count = static_cast<std::int64_t>(count);
  out.dim = dim;
  out.values.resize(count * static_cast<std::size_t>(dim));
  return out;
}

/// The tokens that the vectors come from, where that is one a text; empty: all.
std::vector<std::int64_t> SentenceEncoder::Impl::kept_tokens(const PackedBatch& batch) const {
  const auto mode = modules->pooled_token();
  std::vector<std::int64_t> kept;
  if (!mode || !encoder.can_keep_tokens()) return kept;
  for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
    if (batch.length(sequence) == 0) return {};
    const auto s = static_cast<std::size_t>(sequence);
    kept.push_back(*mode == PoolingMode::cls ? batch.offsets[s] : batch.offsets[s + 1] - 1);
  }
  return kept;
}

std::vector<std::int64_t> SentenceEncoder::Impl::encode_batch(const Execution& execution, EncodeWorker& worker,
                                                              const BatchCall& call) const {
  const PackedBatch& batch = call.batch;
  const PackedBatch& pooled_batch = call.pooled != nullptr ? *call.pooled : batch;
  const auto size = static_cast<std::size_t>(pooled_batch.num_sequences() * modules->full_width());
  const MatrixView pooled(worker.pooled.ensure(size), pooled_batch.num_sequences(), modules->full_width());
  if (reads_in_segments(call)) {
    encode_in_segments(execution, worker, call, pooled);
  } else {
    const auto kept = call.pooled != nullptr ? std::vector<std::int64_t>() : kept_tokens(batch);
    const ConstMatrixView hidden = encoder.run({.execution = execution,
                                                .workspace = worker.layers,
                                                .temperatures = call.temperatures,
                                                .temper_position_bias = call.temper_position_bias,
                                                .state_controls = call.state_controls,
                                                .kept_tokens = kept},
                                               batch);
    modules->run(execution, kept.empty() ? pooled_batch : one_token_each(batch), hidden, pooled);
  }
  std::vector<std::int64_t> non_finite;
  for (std::int64_t sequence = 0; sequence < pooled_batch.num_sequences(); ++sequence) {
    const VectorTarget& target = call.targets[static_cast<std::size_t>(sequence)];
    modules->finish(pooled.row_span(sequence), target.options, target.vector);
    const bool finite =
        std::all_of(target.vector.begin(), target.vector.end(), [](float value) { return std::isfinite(value); });
    if (!finite) non_finite.push_back(sequence);
  }
  return non_finite;
}

/// Vectors go where their texts stand in `out`.
void SentenceEncoder::Impl::encode_batch(const Execution& execution, EncodeWorker& worker, const PackedBatch& batch,
                                         const EncodeOptions& options, const VectorRows& out,
                                         const CallWatch& watch) const {
  std::vector<VectorTarget> targets;
  targets.reserve(batch.text_index.size());
  const auto dim = static_cast<std::size_t>(out.dim);
  for (const std::int64_t text : batch.text_index) {
    targets.push_back(
        {{options.normalize, options.dimensions}, out.values.subspan(static_cast<std::size_t>(text) * dim, dim)});
  }
  const auto non_finite = encode_batch(execution, worker,
                                       {.batch = batch,
                                        .temperatures = {&options.temperature, 1},
                                        .temper_position_bias = options.temper_position_bias,
                                        .state_controls = {&options.state, 1},
                                        .targets = targets,
                                        .watch = &watch});
  if (non_finite.empty()) return;
  const std::int64_t sequence = non_finite.front();
  throw non_finite_vector(batch.text_index[static_cast<std::size_t>(sequence)], batch.length(sequence),
                          options.temperature);
}

void SentenceEncoder::Impl::run_batches(std::span<const PackedBatch> batches, Batching batching, CallWatch& watch,
                                        const BatchBody& body) {
  if (batches.size() == 1 && batching == Batching::fastest) {
    // A single batch: all threads share each step of it. Its steps are cut the same way however many of the threads
    // other calls leave to it, so its vectors are the same bit for bit.
    watch.check();
    pool.run([&](int slot) {
      EncodeWorker& own = workers[static_cast<std::size_t>(slot)];
      body(on_all_threads(own), own, batches.front());
    });
    watch.add(batches.front().num_sequences());
    return;
  }
  pool.parallel_for(static_cast<std::int64_t>(batches.size()), [&](std::int64_t index, int slot) {
    EncodeWorker& own = workers[static_cast<std::size_t>(slot)];
    const PackedBatch& batch = batches[static_cast<std::size_t>(index)];
    watch.check();
    body(Execution(own.kernels), own, batch);
    watch.add(batch.num_sequences());
  });
  watch.finish();
}

SentenceEncoder::SentenceEncoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SentenceEncoder::SentenceEncoder(SentenceEncoder&&) noexcept = default;
SentenceEncoder& SentenceEncoder::operator=(SentenceEncoder&&) noexcept = default;
SentenceEncoder::~SentenceEncoder() = default;

Embeddings SentenceEncoder::Impl::encode(std::span<const std::string_view> texts, const EncodeOptions& options,
                                         Batching batching) {
  const CallPlan call_plan = plan(options);
  Embeddings out = room_for(texts.size(), call_plan.dim);
  out.token_counts = encode_into(texts, call_plan, options, batching, {out.values, out.dim});
  return out;
}

std::vector<TokenCount> SentenceEncoder::Impl::encode_into(std::span<const std::string_view> texts,
                                                           const CallPlan& call_plan, const EncodeOptions& options,
                                                           Batching batching, const VectorRows& out) {
  if (texts.empty()) return {};

  CallWatch watch(options, std::ssize(texts));
  return encode_tokenized(tokenize(texts, call_plan, &watch), options, batching, out, watch);
}

std::vector<TokenCount> SentenceEncoder::Impl::encode_tokenized(std::span<const TokenizedText> texts,
                                                                const EncodeOptions& options, Batching batching,
                                                                const VectorRows& out, CallWatch& watch) {
  const auto batches = pack_batches(texts, plan_batches(options, pool.size(), batching));
  run_batches(batches, batching, watch,
              [&](const Execution& execution, EncodeWorker& worker, const PackedBatch& batch) {
                encode_batch(execution, worker, batch, options, out, watch);
              });
  return token_counts(texts);
}

Embeddings SentenceEncoder::Impl::encode_token_ids(std::span<const TokenIds> lists, const EncodeOptions& options) {
  const CallPlan call_plan = plan_token_ids(options);
  Embeddings out = room_for(lists.size(), call_plan.dim);
  if (lists.empty()) return out;
  CallWatch watch(options, std::ssize(lists));
  std::vector<TokenizedText> texts;
  texts.reserve(lists.size());
  for (const TokenIds& ids : lists) texts.push_back(take_token_ids(call_plan, ids, std::ssize(texts)));
  out.token_counts = encode_tokenized(texts, options, Batching::fastest, {out.values, out.dim}, watch);
  return out;
}

Embeddings SentenceEncoder::encode(std::span<const std::string_view> texts, const EncodeOptions& options) const {
  return impl_->encode(texts, options, Batching::fastest);
}

std::vector<TokenCount> SentenceEncoder::encode_into(std::span<const std::string_view> texts, std::span<float> vectors,
                                                     const EncodeOptions& options) const {
  const CallPlan call_plan = impl_->plan(options);
  const std::int64_t dim = call_plan.dim;
  if (vectors.size() != texts.size() * static_cast<std::size_t>(dim)) {
    fail(ErrorCode::invalid_argument, "vectors: {} texts need room for {} numbers, there is room for {}", texts.size(),
         texts.size() * static_cast<std::size_t>(dim), vectors.size());
  }
  return impl_->encode_into(texts, call_plan, options, Batching::fastest, {vectors, dim});
}

void SentenceEncoder::validate(const EncodeOptions& options) const { impl_->validate(options); }

std::int64_t SentenceEncoder::output_dim(const EncodeOptions& options) const {
  validate(options);
  return impl_->output_dim(options);
}

std::vector<TokenCount> SentenceEncoder::count_tokens(std::span<const std::string_view> texts,
                                                      const EncodeOptions& options) const {
  return token_counts(impl_->tokenize(texts, impl_->plan_reading(options)));
}

const ModelInfo& SentenceEncoder::info() const noexcept { return impl_->info; }

const std::string& SentenceEncoder::weights_sha256() const {
  std::call_once(impl_->hash_once, [this] {
    impl_->weights_sha256 = hash_weights(impl_->settings.parts, impl_->encoder.weight_files());
  });
  return impl_->weights_sha256;
}

const ModelFingerprint& SentenceEncoder::fingerprint() const {
  std::call_once(impl_->fingerprint_once,
                 [this] { impl_->fingerprint = fingerprint_model(impl_->settings.parts, weights_sha256()); });
  return impl_->fingerprint;
}

}  // namespace treble
