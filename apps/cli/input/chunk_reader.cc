#include "input/chunk_reader.h"

#include <algorithm>
#include <utility>

#include "fail.h"
#include "input/text_hash.h"
#include "progress.h"

namespace treble::cli {

ChunkReader::ChunkReader(TextSource& source, const ChunkLimits& limits, DoneTexts done, StopSignal& stop)
    : source_(source), limits_(limits), done_(std::move(done)), stop_(stop), thread_([this] { run(); }) {}

ChunkReader::~ChunkReader() {
  {
    const std::scoped_lock lock(mutex_);
    abandoned_ = true;
    if (!ended_) stop_.request();
  }
  changed_.notify_all();
  thread_.join();
}

std::optional<Chunk> ChunkReader::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ready_ || ended_; });
  if (ready_) {
    std::optional<Chunk> chunk = std::exchange(ready_, std::nullopt);
    lock.unlock();
    changed_.notify_all();
    return chunk;
  }
  if (failure_) std::rethrow_exception(failure_);
  return std::nullopt;
}

void ChunkReader::run() {
  std::exception_ptr failure;
  try {
    TextHash hash;
    skip_done(hash);
    Chunk chunk;
    while (read_chunk(hash, chunk)) deliver(std::exchange(chunk, {}));
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

void ChunkReader::check_stop() const {
  if (stop_.requested()) fail(ErrorCode::interrupted, "stopped after {} texts were read", read_);
}

void ChunkReader::skip_done(TextHash& hash) {
  TextRecord record;
  for (; read_ < done_.count; ++read_) {
    check_stop();
    if (!source_.next(record)) {
      fail(ErrorCode::invalid_argument, "the input has {}, and the output has vectors for {}: not the same input",
           counted(read_, "text"), grouped(done_.count));
    }
    hash.add(record);
  }
  if (done_.count > 0 && hash.digest() != done_.sha256) {
    fail(ErrorCode::invalid_argument,
         "the input does not begin with the {} of the output (texts_sha256 is {}, and {} in the output)",
         counted(done_.count, "text"), hash.digest(), done_.sha256);
  }
}

bool ChunkReader::read_chunk(TextHash& hash, Chunk& chunk) {
  chunk.first_index = read_;
  std::int64_t work = 0;
  std::int64_t bytes = 0;
  TextRecord record;
  while (static_cast<std::int64_t>(chunk.records.size()) < limits_.texts && work < limits_.work &&
         bytes < limits_.bytes) {
    check_stop();
    if (!source_.next(record)) break;
    hash.add(record);
    ++read_;
    const auto size = static_cast<std::int64_t>(record.text.size());
    work += std::min(size, limits_.text_work) + ChunkLimits::kWorkPerText;
    bytes += size;
    chunk.records.push_back(std::exchange(record, {}));
  }
  chunk.bytes_read = source_.bytes_read();
  chunk.replaced = source_.replaced();
  chunk.texts_sha256 = hash.digest();
  return !chunk.records.empty();
}

void ChunkReader::deliver(Chunk chunk) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_ || abandoned_; });
  ready_ = std::move(chunk);
  lock.unlock();
  changed_.notify_all();
}

}  // namespace treble::cli
