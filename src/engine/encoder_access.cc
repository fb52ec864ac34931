#include "engine/encoder_access.h"

#include <utility>

#include "base/fail.h"
#include "base/stop.h"
#include "batch/batch_packer.h"
#include "engine/sentence_encoder_impl.h"

namespace treble {

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

std::vector<TokenizedText> EncoderAccess::tokenize(const SentenceEncoder& encoder,
                                                   std::span<const std::string_view> texts,
                                                   const EncodeOptions& options) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  CallWatch watch(options, std::ssize(texts));
  return model.tokenize(texts, model.plan_reading(options), &watch);
}

Embeddings EncoderAccess::encode_tokenized(const SentenceEncoder& encoder, std::span<const TokenizedText> texts,
                                           const EncodeOptions& options) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  Embeddings out = room_for(texts.size(), model.plan(options).dim);
  if (texts.empty()) return out;
  CallWatch watch(options, std::ssize(texts));
  out.token_counts = model.encode_tokenized(texts, options, Batching::fastest, {out.values, out.dim}, watch);
  return out;
}

const ScoreSettings& EncoderAccess::score_settings(const SentenceEncoder& encoder) {
  return encoder.impl_->settings.scores;
}

TokenizedText EncoderAccess::tokenize_pair(const SentenceEncoder& encoder, const CallPlan& plan, const TextPair& pair,
                                           std::int64_t index) {
  return tokenize_one(encoder.impl_->tokenizer, plan, pair, index);
}

Embeddings EncoderAccess::encode_pairs(const SentenceEncoder& encoder, std::span<const TextPair> pairs,
                                       const EncodeOptions& options) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  const CallPlan plan = model.plan(options);
  Embeddings out = room_for(pairs.size(), plan.dim);
  if (pairs.empty()) return out;
  CallWatch watch(options, std::ssize(pairs));
  out.token_counts = model.encode_tokenized(model.tokenize(pairs, plan, &watch), options, Batching::fastest,
                                            {out.values, out.dim}, watch);
  return out;
}

std::vector<std::vector<Token>> EncoderAccess::tokenize_whole(const SentenceEncoder& encoder,
                                                              std::span<const std::string_view> texts,
                                                              const TokenizationOptions& options) {
  return encoder.impl_->tokenize_whole(texts, options);
}

std::string EncoderAccess::decode(const SentenceEncoder& encoder, std::span<const std::int32_t> ids,
                                  bool skip_special_tokens) {
  return encoder.impl_->decode(ids, skip_special_tokens);
}

CallPlan EncoderAccess::plan_token_ids(const SentenceEncoder& encoder, const EncodeOptions& options) {
  return encoder.impl_->plan_token_ids(options);
}

TokenizedText EncoderAccess::take_token_ids(const SentenceEncoder& encoder, const CallPlan& plan,
                                            std::span<const std::int32_t> ids, std::int64_t index) {
  return encoder.impl_->take_token_ids(plan, ids, index);
}

Embeddings EncoderAccess::encode_token_ids(const SentenceEncoder& encoder, std::span<const TokenIds> lists,
                                           const EncodeOptions& options) {
  return encoder.impl_->encode_token_ids(lists, options);
}

std::vector<std::int64_t> EncoderAccess::encode_batch(const SentenceEncoder& encoder, const BatchCall& call,
                                                      bool all_threads) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  std::vector<std::int64_t> non_finite;
  model.pool.run([&](int slot) {
    EncodeWorker& own = model.workers[static_cast<std::size_t>(slot)];
    const Execution execution = all_threads ? model.on_all_threads(own) : Execution(own.kernels);
    non_finite = model.encode_batch(execution, own, call);
  });
  return non_finite;
}

std::vector<TokenWeights> EncoderAccess::weigh_batch(const SentenceEncoder& encoder, const BatchCall& call,
                                                     bool all_threads) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  std::vector<TokenWeights> weights;
  model.pool.run([&](int slot) {
    EncodeWorker& own = model.workers[static_cast<std::size_t>(slot)];
    const Execution execution = all_threads ? model.on_all_threads(own) : Execution(own.kernels);
    const ConstMatrixView hidden = model.encoder.run({.execution = execution,
                                                      .workspace = own.layers,
                                                      .temperatures = call.temperatures,
                                                      .temper_position_bias = call.temper_position_bias,
                                                      .state_controls = call.state_controls},
                                                     call.batch);
    weights = model.heads.sparse->run(execution, call.batch, hidden);
  });
  return weights;
}

SpanEmbeddings EncoderAccess::encode_spans(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                           const EncodeOptions& options, std::int64_t max_tokens) {
  return encoder.impl_->encode_spans(texts, options, max_tokens);
}

Embeddings EncoderAccess::encode_repeatably(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                            const EncodeOptions& options) {
  return encoder.impl_->encode(texts, options, Batching::repeatable);
}

std::vector<TokenCount> EncoderAccess::observe(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                               const EncodeOptions& options, AttentionObserver& observer) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  model.check_temperature(options);
  model.check_state_control(options);
  const auto tokenized = model.tokenize(texts, model.plan_reading(options));
  observe(encoder, tokenized, options, observer);
  return token_counts(tokenized);
}

void EncoderAccess::observe(const SentenceEncoder& encoder, std::span<const TokenizedText> texts,
                            const EncodeOptions& options, AttentionObserver& observer) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  for (const auto& text : texts) {
    check_stop(options.stop, "observing");
    const auto batch = pack_batches({&text, 1}, {});
    // On one thread: what is observed must not depend on how many there are.
    model.pool.run([&](int slot) {
      EncodeWorker& own = model.workers[static_cast<std::size_t>(slot)];
      model.encoder.run({.execution = Execution(own.kernels),
                         .workspace = own.layers,
                         .temperatures = {&options.temperature, 1},
                         .temper_position_bias = options.temper_position_bias,
                         .state_controls = {&options.state, 1},
                         .observer = &observer},
                        batch.front());
    });
  }
}

bool EncoderAccess::is_recurrent(const SentenceEncoder& encoder) { return encoder.impl_->encoder.is_recurrent(); }

std::optional<StatedLimit> EncoderAccess::stated_limit(const SentenceEncoder& encoder) {
  const LengthLimit& limit = encoder.impl_->limit;
  if (!limit.stated) return std::nullopt;
  return StatedLimit{limit.tokens, limit.source};
}

void EncoderAccess::observe_states(const SentenceEncoder& encoder, std::span<const TokenizedText> texts,
                                   const EncodeOptions& options, std::span<AttentionObserver* const> observers) {
  SentenceEncoder::Impl& model = *encoder.impl_;
  model.check_state_control(options);
  model.pool.parallel_for(std::ssize(texts), [&](std::int64_t text, int slot) {
    EncodeWorker& own = model.workers[static_cast<std::size_t>(slot)];
    const auto at = static_cast<std::size_t>(text);
    const auto batch = pack_batches(texts.subspan(at, 1), {});
    RecurrentState state;
    state.total_tokens = batch.front().total_tokens();
    for (const PackedBatch& segment : segments_of(batch.front())) {
      check_stop(options.stop, "observing");
      model.encoder.run({.execution = Execution(own.kernels),
                         .workspace = own.layers,
                         .state_controls = {&options.state, 1},
                         .carried = &state,
                         .observer = observers[at]},
                        segment);
    }
  });
}

const Encoder& EncoderAccess::encoder(const SentenceEncoder& encoder) { return encoder.impl_->encoder; }

SentenceEncoder::Impl& EncoderAccess::implementation(const SentenceEncoder& encoder) { return *encoder.impl_; }

void EncoderAccess::parallel_for(const SentenceEncoder& encoder, std::int64_t count,
                                 const std::function<void(std::int64_t)>& body) {
  encoder.impl_->pool.parallel_for(count, [&](std::int64_t index, int) { body(index); });
}

}  // namespace treble
