#include "bulk/batch_reader.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "bulk/text_hash.h"

namespace treble::internal {

BatchLimits choose_batch_limits(const ModelInfo& model, std::optional<std::int64_t> batch_texts, bool whole_texts) {
  // A token costs about 24 · layers · hidden² operations, and a core does very roughly 2e11 a second in float32; two
  // seconds of that. The bounds keep at least 8 micro-batches of 512 tokens for each thread, and memory small.
  const double token_cost = 24.0 * static_cast<double>(model.num_layers) * static_cast<double>(model.hidden_size) *
                            static_cast<double>(model.hidden_size);
  const double tokens = std::clamp(4e11 / std::max(token_cost, 1.0), 4096.0, 32768.0) * std::max(1, model.threads);
  constexpr std::int64_t kBytesPerToken = 4;
  BatchLimits limits;
  limits.texts = batch_texts.value_or(std::int64_t{1} << 16);
  limits.work = static_cast<std::int64_t>(tokens) * kBytesPerToken;
  limits.text_work = whole_texts ? limits.bytes : std::max<std::int64_t>(model.max_length, 1) * 2 * kBytesPerToken;
  return limits;
}

BatchReader::BatchReader(TextSource& source, const BatchLimits& limits, EmbeddedTexts embedded,
                         const std::stop_token& stop)
    : source_(source),
      limits_(limits),
      embedded_(std::move(embedded)),
      on_stop_(stop,
               [this] {
                 stopped_.request_stop();
                 source_.stop();
               }),
      thread_([this] { run(); }) {}

BatchReader::~BatchReader() {
  bool ended = false;
  {
    const std::scoped_lock lock(mutex_);
    abandoned_ = true;
    ended = ended_;
  }
  if (!ended) {
    stopped_.request_stop();
    source_.stop();
  }
  changed_.notify_all();
  thread_.join();
}

std::optional<BulkBatch> BatchReader::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ready_ || ended_; });
  if (ready_) {
    std::optional<BulkBatch> batch = std::exchange(ready_, std::nullopt);
    lock.unlock();
    changed_.notify_all();
    return batch;
  }
  if (failure_) std::rethrow_exception(failure_);
  return std::nullopt;
}

void BatchReader::run() {
  std::exception_ptr failure;
  try {
    TextHash hash;
    skip_embedded(hash);
    BulkBatch batch;
    while (read_batch(hash, batch)) deliver(std::exchange(batch, {}));
  } catch (...) {
    failure = std::current_exception();
  }
  {
    const std::scoped_lock lock(mutex_);
    failure_ = failure;
    ended_ = true;
  }
  changed_.notify_all();
}

void BatchReader::check_stop() const {
  if (stopped_.stop_requested()) fail(ErrorCode::interrupted, "stopped after {} texts were read", read_);
}

void BatchReader::skip_embedded(TextHash& hash) {
  TextRecord record;
  for (; read_ < embedded_.count; ++read_) {
    check_stop();
    if (!source_.next(record)) {
      fail(ErrorCode::invalid_argument,
           "the input has {} text{}, and the output has vectors for {}: not the same input", read_,
           read_ == 1 ? "" : "s", embedded_.count);
    }
    hash.add(record);
  }
  if (embedded_.count > 0) bytes_skipped_ = source_.bytes_read();
  if (embedded_.count > 0 && hash.digest() != embedded_.sha256) {
    fail(ErrorCode::invalid_argument,
         "the input does not begin with the {} text{} of the output (texts_sha256 is {}, and {} in the output)",
         embedded_.count, embedded_.count == 1 ? "" : "s", hash.digest(), embedded_.sha256);
  }
}

bool BatchReader::read_batch(TextHash& hash, BulkBatch& batch) {
  batch.first_index = read_;
  std::int64_t work = 0;
  std::int64_t bytes = 0;
  TextRecord record;
  while (std::cmp_less(batch.records.size(), limits_.texts) && work < limits_.work && bytes < limits_.bytes) {
    check_stop();
    if (!source_.next(record)) break;
    hash.add(record);
    ++read_;
    const auto size = static_cast<std::int64_t>(record.text.size());
    work += std::min(size, limits_.text_work) + BatchLimits::kWorkPerText;
    bytes += size;
    batch.records.push_back(std::exchange(record, {}));
  }
  batch.bytes_read = source_.bytes_read();
  batch.replaced = source_.replaced();
  batch.texts_sha256 = hash.digest();
  return !batch.records.empty();
}

void BatchReader::deliver(BulkBatch batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_ || abandoned_; });
  ready_ = std::move(batch);
  lock.unlock();
  changed_.notify_all();
}

}  // namespace treble::internal
