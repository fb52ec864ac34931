#include "engine/queued_request.h"

#include <algorithm>
#include <new>

#include "batch/packed_batch.h"

namespace treble::internal {

namespace {

/// English text has about that many, special tokens aside.
constexpr std::int64_t kBytesPerToken = 4;
constexpr std::int64_t kSpecialTokens = 2;

void append(const BatchItem& item, PackedBatch& batch) {
  batch.ids.insert(batch.ids.end(), item.tokens.ids.begin(), item.tokens.ids.end());
  batch.offsets.push_back(static_cast<std::int64_t>(batch.ids.size()));
  batch.text_index.push_back(item.text);
  batch.prompt_tokens.push_back(item.tokens.prompt_tokens);
}

void encode_together(const SentenceEncoder& encoder, std::span<BatchItem> items, bool all_threads) {
  PackedBatch batch;
  batch.offsets.push_back(0);
  std::vector<Temperature> temperatures;
  std::vector<VectorTarget> targets;
  for (const BatchItem& item : items) {
    append(item, batch);
    temperatures.push_back(item.request->options.temperature);
    const auto dim = static_cast<std::size_t>(item.request->plan.dim);
    const auto values = std::span(item.request->result.values);
    targets.push_back({item.request->plan.output, values.subspan(static_cast<std::size_t>(item.text) * dim, dim)});
  }
  const auto non_finite =
      EncoderAccess::encode_batch(encoder,
                                  {.batch = batch,
                                   .temperatures = temperatures,
                                   .temper_position_bias = items.front().request->options.temper_position_bias,
                                   .targets = targets},
                                  all_threads);
  for (const std::int64_t sequence : non_finite) {
    BatchItem& item = items[static_cast<std::size_t>(sequence)];
    item.error = non_finite_vector(item.text, batch.length(sequence), item.request->options.temperature);
  }
}

}  // namespace

std::int64_t estimate_tokens(const std::string& text, std::int64_t max_length) {
  return std::min(static_cast<std::int64_t>(text.size()) / kBytesPerToken + kSpecialTokens, max_length);
}

void tokenize_texts(const SentenceEncoder& encoder, QueuedRequest& request, std::size_t begin, std::size_t end) {
  if (begin == 0) {
    request.plan = EncoderAccess::plan(encoder, request.options);
    request.result.count = static_cast<std::int64_t>(request.texts.size());
    request.result.dim = request.plan.dim;
    request.result.values.resize(request.texts.size() * static_cast<std::size_t>(request.plan.dim));
    request.result.token_counts.resize(request.texts.size());
    request.tokenized.resize(request.texts.size());
  }
  for (std::size_t i = begin; i < end; ++i) {
    TokenizedText text = EncoderAccess::tokenize(encoder, request.plan, request.texts[i], static_cast<std::int64_t>(i));
    request.result.token_counts[i] = {static_cast<std::int64_t>(text.num_tokens),
                                      static_cast<std::int64_t>(text.ids.size())};
    request.tokenized[i] = std::move(text);
  }
}

void encode_items(const SentenceEncoder& encoder, std::span<BatchItem> items, bool all_threads) noexcept {
  try {
    encode_together(encoder, items, all_threads);
  } catch (...) {
    if (items.size() == 1) {
      items.front().error = as_error(std::current_exception());
      return;
    }
    // Which text it was shows when each runs alone.
    for (BatchItem& item : items) encode_items(encoder, {&item, 1}, all_threads);
  }
}

Error as_error(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return {ErrorCode::internal, "there is not enough memory for the request"};
  } catch (const std::exception& error) {
    return {ErrorCode::internal, error.what()};
  }
}

}  // namespace treble::internal
