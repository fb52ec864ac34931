#include "engine/queued_request.h"

#include <algorithm>
#include <new>

#include "batch/batch_packer.h"

namespace treble::internal {

namespace {

/// English text has about that many, special tokens aside.
constexpr std::int64_t kBytesPerToken = 4;
constexpr std::int64_t kSpecialTokens = 2;

std::size_t size_in_bytes(const std::string& text) { return text.size(); }
std::size_t size_in_bytes(const TokenIds& ids) { return ids.size() * sizeof(ids[0]); }
std::size_t size_in_bytes(const OwnedTextPair& pair) { return pair.query.size() + pair.text.size(); }

/// Item `index` of the request as tokens.
TokenizedText tokenize_item(const SentenceEncoder& encoder, const QueuedRequest& request, std::size_t index) {
  const CallPlan& plan = request.plan;
  const auto number = static_cast<std::int64_t>(index);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&request.items)) {
    return EncoderAccess::tokenize(encoder, plan, (*texts)[index], number);
  }
  if (const auto* pairs = std::get_if<std::vector<OwnedTextPair>>(&request.items)) {
    return EncoderAccess::tokenize_pair(encoder, plan, {(*pairs)[index].query, (*pairs)[index].text}, number);
  }
  return EncoderAccess::take_token_ids(encoder, plan, std::get<std::vector<TokenIds>>(request.items)[index], number);
}

void encode_together(const SentenceEncoder& encoder, std::span<BatchItem> items, bool all_threads) {
  PackedBatch batch;
  std::vector<Temperature> temperatures;
  std::vector<StateControl> state_controls;
  std::vector<VectorTarget> targets;
  for (const BatchItem& item : items) {
    append(item.tokens, item.text, batch);
    temperatures.push_back(item.request->options.temperature);
    state_controls.push_back(item.request->options.state);
    const auto dim = static_cast<std::size_t>(item.request->plan.dim);
    const auto values = std::span(item.request->result.values);
    targets.push_back({item.request->plan.output, values.subspan(static_cast<std::size_t>(item.text) * dim, dim)});
  }
  const auto non_finite =
      EncoderAccess::encode_batch(encoder,
                                  {.batch = batch,
                                   .temperatures = temperatures,
                                   .temper_position_bias = items.front().request->options.temper_position_bias,
                                   .state_controls = state_controls,
                                   .targets = targets},
                                  all_threads);
  for (const std::int64_t sequence : non_finite) {
    BatchItem& item = items[static_cast<std::size_t>(sequence)];
    item.error = non_finite_vector(item.text, batch.length(sequence), item.request->options.temperature);
  }
}

}  // namespace

std::size_t num_items(const RequestItems& items) {
  return std::visit([](const auto& list) { return list.size(); }, items);
}

std::size_t item_bytes(const RequestItems& items, std::size_t index) {
  return std::visit([&](const auto& list) { return size_in_bytes(list[index]); }, items);
}

std::int64_t estimate_tokens(const RequestItems& items, std::size_t index, std::int64_t max_length) {
  if (const auto* lists = std::get_if<std::vector<TokenIds>>(&items)) {
    return std::min(std::ssize((*lists)[index]), max_length);
  }
  const auto bytes = static_cast<std::int64_t>(item_bytes(items, index));
  return std::min(bytes / kBytesPerToken + kSpecialTokens, max_length);
}

void RequestWatch::begin(Stage stage, Clock::time_point now) {
  advance(now);
  ++running_[static_cast<std::size_t>(stage)];
}

void RequestWatch::end(Stage stage, Clock::time_point now) {
  advance(now);
  --running_[static_cast<std::size_t>(stage)];
}

RequestTiming RequestWatch::timing(Clock::time_point now) {
  advance(now);
  return timing_;
}

/// Adds the time since the last change to what has been running since then.
void RequestWatch::advance(Clock::time_point now) {
  // Of two threads, the one with the earlier time may come later.
  if (now <= changed_) return;
  const double seconds = std::chrono::duration<double>(now - changed_).count();
  changed_ = now;
  const auto [tokenizing, computing] = running_;
  if (tokenizing > 0) timing_.tokenization_seconds += seconds;
  if (computing > 0) timing_.compute_seconds += seconds;
  if (tokenizing == 0 && computing == 0) timing_.wait_seconds += seconds;
}

void tokenize_texts(const SentenceEncoder& encoder, QueuedRequest& request, std::size_t begin, std::size_t end) {
  if (begin == 0) {
    const bool are_ids = std::holds_alternative<std::vector<TokenIds>>(request.items);
    request.plan = are_ids ? EncoderAccess::plan_token_ids(encoder, request.options)
                           : EncoderAccess::plan(encoder, request.options);
    request.result.count = static_cast<std::int64_t>(request.size());
    request.result.dim = request.plan.dim;
    request.result.values.resize(request.size() * static_cast<std::size_t>(request.plan.dim));
    request.result.token_counts.resize(request.size());
    request.tokenized.resize(request.size());
  }
  for (std::size_t i = begin; i < end; ++i) {
    TokenizedText text = tokenize_item(encoder, request, i);
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
