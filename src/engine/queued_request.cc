#include "engine/queued_request.h"

#include <algorithm>
#include <new>

#include "base/required.h"
#include "batch/batch_packer.h"
#include "engine/output_collector.h"
#include "engine/sentence_encoder_impl.h"
#include "engine/sparse_collector.h"

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

/// Sparse vectors of texts that are read by the layers; those of the others are there.
void weigh_together(const SentenceEncoder& encoder, std::span<BatchItem> items, bool all_threads) {
  PackedBatch batch;
  std::vector<Temperature> temperatures;
  std::vector<StateControl> state_controls;
  std::vector<BatchItem*> read;
  for (BatchItem& item : items) {
    if (required(item.request->sparse).by_table) continue;
    append(item.tokens, item.text, batch);
    temperatures.push_back(item.request->options.temperature);
    state_controls.push_back(item.request->options.state);
    read.push_back(&item);
  }
  if (read.empty()) return;
  auto weights =
      EncoderAccess::weigh_batch(encoder,
                                 {.batch = batch,
                                  .temperatures = temperatures,
                                  .temper_position_bias = items.front().request->options.temper_position_bias,
                                  .state_controls = state_controls,
                                  .targets = {}},
                                 all_threads);
  for (std::size_t i = 0; i < read.size(); ++i) {
    BatchItem& item = *read[i];
    SparseRequest& sparse = required(item.request->sparse);
    if (!all_finite(weights[i])) {
      item.error =
          non_finite_vector(item.text, batch.length(static_cast<std::int64_t>(i)), item.request->options.temperature);
      continue;
    }
    if (sparse.max_active_dims) keep_largest(*sparse.max_active_dims, weights[i]);
    sparse.rows[static_cast<std::size_t>(item.text)] = std::move(weights[i]);
  }
}

void encode_together(const SentenceEncoder& encoder, std::span<BatchItem> items, bool all_threads) {
  if (items.front().request->sparse) return weigh_together(encoder, items, all_threads);
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

namespace {

CallPlan plan_of(const SentenceEncoder& encoder, QueuedRequest& request) {
  if (std::holds_alternative<std::vector<TokenIds>>(request.items)) {
    return EncoderAccess::plan_token_ids(encoder, request.options);
  }
  if (!request.sparse) return EncoderAccess::plan(encoder, request.options);
  SparseRequest& sparse = *request.sparse;
  constexpr OutputKind kSparse = OutputKind::sparse;
  CallPlan plan = plan_outputs(encoder, {&kSparse, 1}, sparse.options);
  sparse.by_table = reads_by_table(encoder, sparse.options);
  sparse.max_active_dims = max_active_dims(encoder, sparse.options);
  sparse.dim = EncoderAccess::implementation(encoder).heads.sparse->dim();
  sparse.rows.resize(request.size());
  return plan;
}

/// Text `index`, which is done with that.
void read_by_table(const SentenceEncoder& encoder, QueuedRequest& request, std::size_t index) {
  SparseRequest& sparse = required(request.sparse);
  const std::string& text = std::get<std::vector<std::string>>(request.items)[index];
  WeighedQuery query =
      EncoderAccess::read_query(encoder, request.plan, text, static_cast<std::int64_t>(index), request.options);
  if (sparse.max_active_dims) keep_largest(*sparse.max_active_dims, query.weights);
  sparse.rows[index] = std::move(query.weights);
  request.result.token_counts[index] = query.tokens;
}

}  // namespace

SparseVectors take_sparse(QueuedRequest& request) {
  SparseVectors vectors;
  const SparseRequest& sparse = required(request.sparse);
  put_together(sparse.rows, sparse.dim, vectors);
  vectors.token_counts = std::move(request.result.token_counts);
  return vectors;
}

void tokenize_texts(const SentenceEncoder& encoder, QueuedRequest& request, std::size_t begin, std::size_t end) {
  if (begin == 0) {
    request.plan = plan_of(encoder, request);
    request.result.count = static_cast<std::int64_t>(request.size());
    request.result.dim = request.plan.dim;
    request.result.values.resize(request.size() * static_cast<std::size_t>(request.plan.dim));
    request.result.token_counts.resize(request.size());
    request.tokenized.resize(request.size());
  }
  for (std::size_t i = begin; i < end; ++i) {
    if (request.sparse && request.sparse->by_table) {
      read_by_table(encoder, request, i);
      continue;
    }
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
