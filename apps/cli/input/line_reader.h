// Lines, whatever their ending.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "input/byte_reader.h"
#include "input/utf8.h"

namespace treble::cli {

/// What ends a line besides "\n" and "\r\n".
enum class LineEnds {
  newline,   ///< nothing; but a lone "\r" (old Mac) where the first 64 KiB have no "\n" at all
  universal  ///< a lone "\r" always
};

class LineReader {
 public:
  explicit LineReader(const std::string& path, const StopSignal* stop = nullptr, LineEnds ends = LineEnds::newline)
      : bytes_(path, stop), ends_(ends) {}
  /// Reads from `fd`, which stays the caller's.
  LineReader(int fd, std::string name, const StopSignal* stop) : bytes_(fd, std::move(name), stop) {}

  /// The next line with its ending, in `line`; the last one may have none. False when there are no more. An empty last
  /// line ("a\n" has one line, not two) does not count. A byte order mark at the start of any line, where files were
  /// concatenated, is dropped.
  bool next(std::string& line);

  /// Where the line that next() gave begins.
  Place place() const noexcept { return {&bytes_.name(), line_number_, line_offset_}; }
  const std::string& name() const noexcept { return bytes_.name(); }
  /// Bytes of the file up to the end of the line that next() gave, for progress.
  std::uint64_t file_bytes() const noexcept { return bytes_.file_bytes(); }

 private:
  void choose_ends();

  ByteReader bytes_;
  LineEnds ends_ = LineEnds::newline;
  bool started_ = false;
  std::uint64_t line_number_ = 0;
  std::uint64_t line_offset_ = 0;
};

/// `line` without its ending, "\n", "\r\n" or "\r".
std::string_view without_ending(std::string_view line);

}  // namespace treble::cli
