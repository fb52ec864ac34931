// Reads texts on a thread of its own, one chunk ahead of whoever embeds them, so that inputs may be larger than memory.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "input/text_source.h"
#include "interrupt.h"

namespace treble::cli {

struct Chunk {
  std::vector<TextRecord> records;
  std::int64_t first_index = 0;  ///< of the first text, in the whole input
  std::uint64_t bytes_read = 0;  ///< bytes of input behind its last text
  std::int64_t replaced = 0;     ///< U+FFFD put in, from the start of the input to its last text
  std::string texts_sha256;      ///< of all texts from the start of the input to its last text
};

/// Where a chunk ends. The same limits and texts give the same chunks, so a resumed run repeats the calls of one that
/// was never stopped.
struct ChunkLimits {
  std::int64_t texts = 256;
  /// Sum over texts of min(bytes, text_work) + kWorkPerText: a measure of the work, as long texts are cut.
  std::int64_t work = std::int64_t{128} << 10;
  std::int64_t text_work = 4096;
  /// Real bytes, for memory.
  std::int64_t bytes = std::int64_t{16} << 20;

  static constexpr std::int64_t kWorkPerText = 16;
};

/// Texts that are done with: so many, with this hash. They are read and passed over.
struct DoneTexts {
  std::int64_t count = 0;
  std::string sha256;
};

class ChunkReader {
 public:
  /// Starts reading. `source` and `stop` must outlive it; `stop` ends the reading. `stop` is requested by the
  /// destructor when reading has not come to its end, since the source may be waiting for input.
  ChunkReader(TextSource& source, const ChunkLimits& limits, DoneTexts done, StopSignal& stop);
  ~ChunkReader();
  ChunkReader(const ChunkReader&) = delete;
  ChunkReader& operator=(const ChunkReader&) = delete;

  /// The next chunk, never an empty one; nothing at the end. Throws what the source throws once all full chunks before
  /// that are given, Error{interrupted} after a stop, and Error{invalid_argument} when the done texts are not what the
  /// source begins with.
  std::optional<Chunk> next();

 private:
  void run();
  void skip_done(class TextHash& hash);
  bool read_chunk(class TextHash& hash, Chunk& chunk);
  void deliver(Chunk chunk);
  void check_stop() const;

  TextSource& source_;
  const ChunkLimits limits_;
  const DoneTexts done_;
  StopSignal& stop_;
  std::int64_t read_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Chunk> ready_;
  bool ended_ = false;
  bool abandoned_ = false;
  std::exception_ptr failure_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace treble::cli
