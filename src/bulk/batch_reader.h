// Reads texts on a thread of its own, one batch ahead of whoever embeds them, so that inputs may be larger than memory.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "treble/bulk.h"

namespace treble::internal {

class TextHash;

/// Where a batch ends. The same limits and texts give the same batches, so a resumed run repeats the calls of one that
/// was never stopped.
struct BatchLimits {
  std::int64_t texts = 256;
  /// Sum over texts of min(bytes, text_work) + kWorkPerText: a measure of the work, as long texts are cut unless they
  /// are read in pieces.
  std::int64_t work = std::int64_t{128} << 10;
  std::int64_t text_work = 4096;
  /// Real bytes, for memory.
  std::int64_t bytes = std::int64_t{16} << 20;

  static constexpr std::int64_t kWorkPerText = 16;
};

/// How much to hand to the engine at a time: enough that threads rarely wait for each other at the end of a batch,
/// little enough that a stop is heard within a few seconds, or within one text. Depends on the model, the threads and
/// whether texts are read whole, in pieces, alone.
BatchLimits choose_batch_limits(const ModelInfo& model, std::optional<std::int64_t> batch_texts, bool whole_texts);

/// Texts that are already embedded: their number and hash. They are read and skipped.
struct EmbeddedTexts {
  std::int64_t count = 0;
  std::string sha256;
};

class BatchReader {
 public:
  /// Starts reading. `source` must outlive it; it is stopped when `stop` is requested, and by the destructor when
  /// reading has not come to its end, since the source may be waiting for input.
  BatchReader(TextSource& source, const BatchLimits& limits, EmbeddedTexts embedded, const std::stop_token& stop);
  ~BatchReader();
  BatchReader(const BatchReader&) = delete;
  BatchReader& operator=(const BatchReader&) = delete;

  /// The next batch, never an empty one; nothing at the end. Throws what the source throws once all full batches before
  /// that are given, Error{interrupted} after a stop, and Error{invalid_argument} when the embedded texts are not what
  /// the source begins with.
  std::optional<BulkBatch> next();
  /// Bytes of the source up to the last of the embedded texts. Known once next() has given a batch.
  std::uint64_t bytes_skipped() const noexcept { return bytes_skipped_; }

 private:
  void run();
  void skip_embedded(TextHash& hash);
  bool read_batch(TextHash& hash, BulkBatch& batch);
  void deliver(BulkBatch batch);
  void check_stop() const;

  TextSource& source_;
  const BatchLimits limits_;
  const EmbeddedTexts embedded_;
  std::stop_source stopped_;  ///< by the caller, or by the destructor
  std::int64_t read_ = 0;
  std::uint64_t bytes_skipped_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<BulkBatch> ready_;
  bool ended_ = false;
  bool abandoned_ = false;
  std::exception_ptr failure_;
  std::stop_callback<std::function<void()>> on_stop_;
  std::thread thread_;  ///< last: it uses all of the above
};

}  // namespace treble::internal
