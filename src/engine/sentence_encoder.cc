#include "treble/sentence_encoder.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "base/cpu.h"
#include "base/fail_about.h"
#include "base/sha256.h"
#include "base/stop.h"
#include "base/thread_pool.h"
#include "batch/batch_packer.h"
#include "engine/call_watch.h"
#include "engine/compute_choice.h"
#include "engine/encoder_access.h"
#include "engine/model_folder.h"
#include "engine/model_info.h"
#include "engine/rounding_sentences.h"
#include "kernels/compute_isa.h"
#include "kernels/int8_calibration.h"
#include "models/folder_check.h"
#include "models/model_registry.h"
#include "pooling/module_chain.h"
#include "tokenizer/tokenizer.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace treble {

using namespace internal;

namespace {

/// Tokens that one thread carries at a time: enough rows for the matrix products to run at full speed, few enough for
/// the activations to stay close to the core. Measured in benchmarks/.
constexpr std::int64_t kBatchTokens = 512;
/// Texts of a call are split finer than that only down to this size, so that every thread gets some.
constexpr std::int64_t kMinBatchTokens = 64;
/// Texts handed to a thread at a time when tokenising.
constexpr std::int64_t kTokenizeChunk = 16;

/// What one thread needs to carry a batch through the model.
struct Worker {
  Workspace kernels;
  LayerWorkspace layers;
  AlignedBuffer<float> pooled;
};

/// Cut to tokenize.max_length, then further until no more than max_counted tokens take a row of the position table.
TokenizedText encode_in_plan(const Tokenizer& tokenizer, const CallPlan& plan, std::string_view text) {
  TokenizedText result = tokenizer.encode(text, plan.tokenize);
  result.prompt_tokens = plan.prompt_tokens;
  if (!plan.padding_idx) return result;
  TokenizeOptions shorter = plan.tokenize;
  for (;;) {
    const auto size = std::ssize(result.ids);
    const std::int64_t too_many =
        size - std::count(result.ids.begin(), result.ids.end(), *plan.padding_idx) - plan.max_counted;
    if (too_many <= 0) return result;
    shorter.max_length = static_cast<std::size_t>(size - too_many);
    result = tokenizer.encode(text, shorter);
    result.prompt_tokens = tokenizer.count_prompt_tokens(plan.prompt, shorter);
  }
}

TokenizedText tokenize_one(const Tokenizer& tokenizer, const CallPlan& plan, std::string_view text,
                           std::int64_t index) {
  try {
    TokenizedText result = plan.prompt.empty() ? encode_in_plan(tokenizer, plan, text)
                                               : encode_in_plan(tokenizer, plan, plan.prompt + std::string(text));
    result.prompt_tokens = std::min(result.prompt_tokens, static_cast<std::int32_t>(result.ids.size()));
    return result;
  } catch (const Error& error) {
    fail_text(index, error.code(), "{}", error.what());
  }
}

/// The same texts with one token each.
PackedBatch one_token_each(const PackedBatch& batch) {
  PackedBatch result;
  for (std::int64_t sequence = 0; sequence <= batch.num_sequences(); ++sequence) result.offsets.push_back(sequence);
  result.text_index = batch.text_index;
  result.prompt_tokens.assign(batch.text_index.size(), 0);
  return result;
}

Tokenizer load_tokenizer(const ModelOptions& options, const ModelSettings& settings) {
  return Tokenizer::from_folder(settings.transformer_folder, {.special_tokens_as_text = options.special_tokens_as_text,
                                                              .lowercase = settings.lowercase});
}

/// Calibration frees half as much memory as the weights take, in pieces that the allocator would keep.
void give_back_freed_memory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

/// fastest: batches and the sums within a lone one fit the number of threads; repeatable: they are the same for any.
enum class Batching { fastest, repeatable };

/// Where the vectors of a call go.
struct VectorRows {
  std::span<float> values;  ///< [texts, dim]
  std::int64_t dim = 0;
};

}  // namespace

struct SentenceEncoder::Impl {
  Impl(const ModelOptions& options, ModelSettings read_settings, const std::filesystem::path& folder,
       Int8Calibration& calibration)
      : settings(std::move(read_settings)),
        pool(options.threads == 0 ? available_threads() : options.threads),
        workers(static_cast<std::size_t>(pool.size())),
        limit(choose_length(settings.limits, read_encoder_config(settings.transformer_folder))),
        lengths(plan_lengths(options, limit)),
        loading_tokenizer(std::async(std::launch::async, load_tokenizer, std::cref(options), std::cref(settings))),
        encoder(load_encoder(settings.transformer_folder, lengths, {options.dtype, &pool, &calibration})),
        modules(ModuleChain::load(folder, encoder.config().hidden_size)),
        tokenizer(loading_tokenizer.get()) {}

  void calibrate_int8(Int8Calibration& calibration);
  std::string resolve_prompt(const EncodeOptions& options) const;
  std::int64_t resolve_max_length(const EncodeOptions& options) const;
  void check_temperature(const EncodeOptions& options) const;
  void check_prompt_fits(const std::string& prompt, std::int64_t max_length) const;
  CallPlan plan_reading(const EncodeOptions& options) const;
  CallPlan plan(const EncodeOptions& options) const;
  std::vector<TokenizedText> tokenize(std::span<const std::string_view> texts, const CallPlan& plan);
  std::vector<std::int64_t> kept_tokens(const PackedBatch& batch) const;
  std::int64_t output_dim(const EncodeOptions& options) const {
    return modules.output_dim({options.normalize, options.dimensions});
  }
  void validate(const EncodeOptions& options) const;
  Embeddings encode(std::span<const std::string_view> texts, const EncodeOptions& options, Batching batching);
  std::vector<TokenCount> encode_into(std::span<const std::string_view> texts, const CallPlan& call_plan,
                                      const EncodeOptions& options, Batching batching, const VectorRows& out);
  void encode_batches(std::span<const PackedBatch> batches, const EncodeOptions& options, Batching batching,
                      const VectorRows& out);
  void encode_batch(const Execution& execution, Worker& worker, const PackedBatch& batch, const EncodeOptions& options,
                    const VectorRows& out) const;
  std::vector<std::int64_t> encode_batch(const Execution& execution, Worker& worker, const BatchCall& call) const;
  /// With which all threads share each step of a batch.
  Execution on_all_threads(Worker& worker) { return Execution(worker.kernels, pool.size() > 1 ? &pool : nullptr); }

  ModelSettings settings;
  ThreadPool pool;
  /// Of the pool's slots: whoever holds one may use its buffers.
  std::vector<Worker> workers;
  LengthLimit limit;
  LengthPlan lengths;
  /// Read beside the weights.
  std::future<Tokenizer> loading_tokenizer;
  Encoder encoder;
  ModuleChain modules;
  Tokenizer tokenizer;
  ModelInfo info;
  std::once_flag hash_once;
  std::string weights_sha256;
  std::once_flag fingerprint_once;
  ModelFingerprint fingerprint;
};

std::string SentenceEncoder::Impl::resolve_prompt(const EncodeOptions& options) const {
  if (options.prompt && options.prompt_name) {
    fail(ErrorCode::invalid_argument, R"(give either a prompt or a prompt_name, not both ("{}" and "{}"))",
         *options.prompt, *options.prompt_name);
  }
  if (options.prompt) return *options.prompt;
  const std::string name = options.prompt_name.value_or(settings.default_prompt_name);
  if (name.empty()) return {};
  if (auto found = find_prompt(settings, name)) return *found;
  std::string known;
  for (const auto& [known_name, prompt] : settings.prompts) known += (known.empty() ? "" : ", ") + known_name;
  fail(ErrorCode::not_found, "the model has no prompt \"{}\"; it has {}", name, known.empty() ? "none" : known);
}

std::int64_t SentenceEncoder::Impl::resolve_max_length(const EncodeOptions& options) const {
  if (!options.max_length) return info.max_length;
  if (*options.max_length >= 1 && *options.max_length <= info.max_length) return *options.max_length;
  fail(ErrorCode::invalid_argument, "max_length {} is out of range: the model was loaded for 1 to {} tokens",
       *options.max_length, info.max_length);
}

void SentenceEncoder::Impl::check_temperature(const EncodeOptions& options) const {
  options.temperature.check_fits(encoder.config().num_layers, encoder.config().num_heads);
  if (options.temperature.is_identity() || encoder.tempered_layers() > 0) return;
  fail(ErrorCode::unsupported, "temperature {} would change nothing: {} has no attention layer that it acts on",
       options.temperature.to_string(), info.name);
}

/// Nothing of a text would be left behind such a prompt, so all texts would get one vector.
void SentenceEncoder::Impl::check_prompt_fits(const std::string& prompt, std::int64_t max_length) const {
  if (prompt.empty()) return;
  const auto tokens = static_cast<std::int64_t>(tokenizer.encode(prompt).num_tokens);
  if (tokens < max_length) return;
  fail(ErrorCode::invalid_argument,
       "the prompt \"{:.60}\" alone has {} tokens, a text may have {}: nothing of any text would be read; shorten the "
       "prompt, or raise EncodeOptions::max_length",
       prompt, tokens, max_length);
}

CallPlan SentenceEncoder::Impl::plan_reading(const EncodeOptions& options) const {
  CallPlan result;
  result.prompt = resolve_prompt(options);
  const std::int64_t limit_in_force = resolve_max_length(options);
  if (options.truncation.value_or(tokenizer.default_truncation()) == Truncation::end)
    check_prompt_fits(result.prompt, limit_in_force);
  result.tokenize.max_length = static_cast<std::size_t>(limit_in_force);
  if (!options.max_length && limit.uncounted_tokens > 0 && lengths.max_tokens == limit.tokens) {
    result.padding_idx = encoder.config().padding_idx;
    result.max_counted = limit_in_force;
    *result.tokenize.max_length += static_cast<std::size_t>(limit.uncounted_tokens);
  }
  result.tokenize.truncation = options.truncation;
  result.prompt_tokens = tokenizer.count_prompt_tokens(result.prompt, result.tokenize);
  return result;
}

CallPlan SentenceEncoder::Impl::plan(const EncodeOptions& options) const {
  check_temperature(options);
  const ModuleChainOptions output{options.normalize, options.dimensions};
  const std::int64_t dim = modules.output_dim(output);
  CallPlan result = plan_reading(options);
  result.output = output;
  result.dim = dim;
  return result;
}

std::vector<TokenizedText> SentenceEncoder::Impl::tokenize(std::span<const std::string_view> texts,
                                                           const CallPlan& plan) {
  const auto count = static_cast<std::int64_t>(texts.size());
  std::vector<TokenizedText> tokenized(texts.size());
  const std::int64_t chunks = (count + kTokenizeChunk - 1) / kTokenizeChunk;
  pool.parallel_for(chunks, [&](std::int64_t chunk, int) {
    const std::int64_t end = std::min(count, (chunk + 1) * kTokenizeChunk);
    for (std::int64_t index = chunk * kTokenizeChunk; index < end; ++index) {
      const auto i = static_cast<std::size_t>(index);
      tokenized[i] = tokenize_one(tokenizer, plan, texts[i], index);
    }
  });
  return tokenized;
}

/// The tokens that the vectors come from, where that is one a text; empty: all.
std::vector<std::int64_t> SentenceEncoder::Impl::kept_tokens(const PackedBatch& batch) const {
  const auto mode = modules.pooled_token();
  std::vector<std::int64_t> kept;
  if (!mode || !encoder.can_keep_tokens()) return kept;
  for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
    if (batch.length(sequence) == 0) return {};
    const auto s = static_cast<std::size_t>(sequence);
    kept.push_back(*mode == PoolingMode::cls ? batch.offsets[s] : batch.offsets[s + 1] - 1);
  }
  return kept;
}

std::vector<std::int64_t> SentenceEncoder::Impl::encode_batch(const Execution& execution, Worker& worker,
                                                              const BatchCall& call) const {
  const PackedBatch& batch = call.batch;
  const auto kept = kept_tokens(batch);
  const ConstMatrixView hidden = encoder.run({.execution = execution,
                                              .workspace = worker.layers,
                                              .temperatures = call.temperatures,
                                              .temper_position_bias = call.temper_position_bias,
                                              .kept_tokens = kept},
                                             batch);
  const auto size = static_cast<std::size_t>(batch.num_sequences() * modules.full_width());
  const MatrixView pooled(worker.pooled.ensure(size), batch.num_sequences(), modules.full_width());
  modules.run(execution, kept.empty() ? batch : one_token_each(batch), hidden, pooled);
  std::vector<std::int64_t> non_finite;
  for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
    const VectorTarget& target = call.targets[static_cast<std::size_t>(sequence)];
    modules.finish(pooled.row_span(sequence), target.options, target.vector);
    const bool finite =
        std::all_of(target.vector.begin(), target.vector.end(), [](float value) { return std::isfinite(value); });
    if (!finite) non_finite.push_back(sequence);
  }
  return non_finite;
}

/// Vectors go where their texts stand in `out`.
void SentenceEncoder::Impl::encode_batch(const Execution& execution, Worker& worker, const PackedBatch& batch,
                                         const EncodeOptions& options, const VectorRows& out) const {
  std::vector<VectorTarget> targets;
  const auto dim = static_cast<std::size_t>(out.dim);
  for (const std::int64_t text : batch.text_index) {
    targets.push_back(
        {{options.normalize, options.dimensions}, out.values.subspan(static_cast<std::size_t>(text) * dim, dim)});
  }
  const auto non_finite = encode_batch(execution, worker,
                                       {.batch = batch,
                                        .temperatures = {&options.temperature, 1},
                                        .temper_position_bias = options.temper_position_bias,
                                        .targets = targets});
  if (non_finite.empty()) return;
  const std::int64_t sequence = non_finite.front();
  throw non_finite_vector(batch.text_index[static_cast<std::size_t>(sequence)], batch.length(sequence),
                          options.temperature);
}

void SentenceEncoder::Impl::encode_batches(std::span<const PackedBatch> batches, const EncodeOptions& options,
                                           Batching batching, const VectorRows& out) {
  std::int64_t texts = 0;
  for (const PackedBatch& batch : batches) texts += batch.num_sequences();
  CallWatch watch(options, texts);
  if (batches.size() == 1 && batching == Batching::fastest) {
    // A single batch: all threads share each step of it. Its steps are cut the same way however many of the threads
    // other calls leave to it, so its vectors are the same bit for bit.
    watch.check();
    pool.run([&](int slot) {
      Worker& own = workers[static_cast<std::size_t>(slot)];
      encode_batch(on_all_threads(own), own, batches.front(), options, out);
    });
    watch.add(texts);
    return;
  }
  pool.parallel_for(static_cast<std::int64_t>(batches.size()), [&](std::int64_t index, int slot) {
    Worker& own = workers[static_cast<std::size_t>(slot)];
    const PackedBatch& batch = batches[static_cast<std::size_t>(index)];
    watch.check();
    encode_batch(Execution(own.kernels), own, batch, options, out);
    watch.add(batch.num_sequences());
  });
  watch.finish();
}

namespace {

std::vector<TokenCount> token_counts(std::span<const TokenizedText> texts) {
  std::vector<TokenCount> counts;
  counts.reserve(texts.size());
  for (const auto& text : texts) {
    counts.push_back({static_cast<std::int64_t>(text.num_tokens), static_cast<std::int64_t>(text.ids.size())});
  }
  return counts;
}

/// Every thread gets some of a small call, and the last batches of a large one are small; a budget that the caller sets
/// is kept.
BatchPlan plan_batches(const EncodeOptions& options, int threads, Batching batching) {
  if (options.batch_tokens != 0) return {options.batch_tokens};
  if (batching == Batching::repeatable) return {kBatchTokens};
  return {kBatchTokens, threads, kMinBatchTokens};
}

}  // namespace

/// On the built-in sentences, one by one; the same for any number of threads, as int8 is. What the model cannot read (a
/// word it has no token for, a limit that leaves no room for text) is left out: loading does not fail for texts that
/// nobody asked about.
void SentenceEncoder::Impl::calibrate_int8(Int8Calibration& calibration) {
  Workspace kernels;
  LayerWorkspace layers;
  const Execution shared(kernels, &pool, &calibration);
  const Execution alone(kernels, nullptr, &calibration);
  const auto sentences = rounding_sentences();
  const EncodeOptions options;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    try {
      const auto tokenized = tokenize_one(tokenizer, plan_reading(options), sentences[i], static_cast<std::int64_t>(i));
      for (const auto& batch : pack_batches({&tokenized, 1}, {})) {
        // Inputs are observed by one thread at a time; where threads split the outputs, that is so.
        const Execution& execution = Linear::splits_outputs(shared, batch.total_tokens()) ? shared : alone;
        pool.run([&](int) { encoder.run({.execution = execution, .workspace = layers}, batch); });
      }
    } catch (const Error&) {
      continue;
    }
  }
  calibration.requantize(shared);
}

SentenceEncoder SentenceEncoder::load(const ModelOptions& options) {
  if (options.dtype == ComputeType::automatic) return load_fastest(options);
  const auto folder = find_model_folder(options.model);
  check_model_folder(folder);
  Int8Calibration calibration;
  auto impl = std::make_unique<Impl>(options, read_model_settings(folder), folder, calibration);
  impl->info = describe_model({.options = options,
                               .folder = folder,
                               .settings = impl->settings,
                               .limit = impl->limit,
                               .lengths = impl->lengths,
                               .encoder = impl->encoder,
                               .modules = impl->modules,
                               .tokenizer = impl->tokenizer,
                               .threads = impl->pool.size()});
  if (options.dtype == ComputeType::int8) {
    impl->calibrate_int8(calibration);
    give_back_freed_memory();
  }
  return SentenceEncoder(std::move(impl));
}

SentenceEncoder SentenceEncoder::load_fastest(ModelOptions options) {
  options.dtype = ComputeType::float32;
  SentenceEncoder exact = load(options);
  std::string reason;
  for (const ComputeType type : fast_compute_types()) {
    options.dtype = type;
    SentenceEncoder candidate = load(options);
    const double cosine = sample_cosine(exact, candidate);
    const bool faithful = cosine >= kMinSampleCosine;
    reason += fmt::format("{}{}: mean cosine to float32 {:.6f} on {} sample texts, {} {}", reason.empty() ? "" : "; ",
                          to_string(type), cosine, kNumSamples, faithful ? "at least" : "below", kMinSampleCosine);
    if (!faithful) continue;
    candidate.impl_->info.dtype_reason = "auto: " + reason;
    return candidate;
  }
  exact.impl_->info.dtype_reason = "auto: " + reason;
  return exact;
}

SentenceEncoder::SentenceEncoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SentenceEncoder::SentenceEncoder(SentenceEncoder&&) noexcept = default;
SentenceEncoder& SentenceEncoder::operator=(SentenceEncoder&&) noexcept = default;
SentenceEncoder::~SentenceEncoder() = default;

Embeddings SentenceEncoder::Impl::encode(std::span<const std::string_view> texts, const EncodeOptions& options,
                                         Batching batching) {
  const CallPlan call_plan = plan(options);
  Embeddings out;
  out.count = static_cast<std::int64_t>(texts.size());
  out.dim = call_plan.dim;
  out.values.resize(static_cast<std::size_t>(out.count * out.dim));
  out.token_counts = encode_into(texts, call_plan, options, batching, {out.values, out.dim});
  return out;
}

std::vector<TokenCount> SentenceEncoder::Impl::encode_into(std::span<const std::string_view> texts,
                                                           const CallPlan& call_plan, const EncodeOptions& options,
                                                           Batching batching, const VectorRows& out) {
  if (texts.empty()) return {};

  const auto tokenized = tokenize(texts, call_plan);
  const auto batches = pack_batches(tokenized, plan_batches(options, pool.size(), batching));
  encode_batches(batches, options, batching, out);
  return token_counts(tokenized);
}

void SentenceEncoder::Impl::validate(const EncodeOptions& options) const {
  plan(options);
  if (options.batch_tokens < 0) {
    fail(ErrorCode::invalid_argument, "batch_tokens must be at least 1, got {}", options.batch_tokens);
  }
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

Error internal::non_finite_vector(std::int64_t text, std::int64_t tokens, const Temperature& temperature) {
  return {ErrorCode::non_finite,
          fmt::format("text {}: the model gave a vector with NaN or infinity ({} tokens, temperature {}); nothing is "
                      "returned",
                      text, tokens, temperature.to_string()),
          {.text_index = text}};
}

CallPlan EncoderAccess::plan(const SentenceEncoder& encoder, const EncodeOptions& options) {
  return encoder.impl_->plan(options);
}

TokenizedText EncoderAccess::tokenize(const SentenceEncoder& encoder, const CallPlan& plan, std::string_view text,
                                      std::int64_t index) {
  return tokenize_one(encoder.impl_->tokenizer, plan, text, index);
}

std::vector<std::int64_t> EncoderAccess::encode_batch(const SentenceEncoder& encoder, const BatchCall& call,
                                                      bool all_threads) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  std::vector<std::int64_t> non_finite;
  model.pool.run([&](int slot) {
    Worker& own = model.workers[static_cast<std::size_t>(slot)];
    const Execution execution = all_threads ? model.on_all_threads(own) : Execution(own.kernels);
    non_finite = model.encode_batch(execution, own, call);
  });
  return non_finite;
}

Embeddings EncoderAccess::encode_repeatably(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                            const EncodeOptions& options) {
  return encoder.impl_->encode(texts, options, Batching::repeatable);
}

void EncoderAccess::observe(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                            const EncodeOptions& options, AttentionObserver& observer) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  model.check_temperature(options);
  const auto tokenized = model.tokenize(texts, model.plan_reading(options));
  for (const auto& text : tokenized) {
    check_stop(options.stop, "observing");
    const auto batch = pack_batches({&text, 1}, {});
    // On one thread: what is observed must not depend on how many there are.
    model.pool.run([&](int slot) {
      Worker& own = model.workers[static_cast<std::size_t>(slot)];
      model.encoder.run({.execution = Execution(own.kernels),
                         .workspace = own.layers,
                         .temperatures = {&options.temperature, 1},
                         .temper_position_bias = options.temper_position_bias,
                         .observer = &observer},
                        batch.front());
    });
  }
}

void EncoderAccess::parallel_for(const SentenceEncoder& encoder, std::int64_t count,
                                 const std::function<void(std::int64_t)>& body) {
  encoder.impl_->pool.parallel_for(count, [&](std::int64_t index, int) { body(index); });
}

const ModelInfo& SentenceEncoder::info() const noexcept { return impl_->info; }

const std::string& SentenceEncoder::weights_sha256() const {
  std::call_once(impl_->hash_once, [this] { impl_->weights_sha256 = sha256_of_files(impl_->encoder.weight_files()); });
  return impl_->weights_sha256;
}

const ModelFingerprint& SentenceEncoder::fingerprint() const {
  std::call_once(impl_->fingerprint_once,
                 [this] { impl_->fingerprint = fingerprint_model(impl_->info.path, weights_sha256()); });
  return impl_->fingerprint;
}

}  // namespace treble
