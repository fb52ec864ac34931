// Lines, whatever their ending.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "input/byte_reader.h"
#include "input/utf8.h"

namespace treble::cli {

class LineReader {
 public:
  explicit LineReader(const std::string& path, const StopSignal* stop = nullptr) : bytes_(path, stop) {}

  /// The next line with its ending, in `line`; the last one may have none. False when there are no more. An empty last
  /// line ("a\n" has one line, not two) does not count.
  bool next(std::string& line);

  /// Where the line that next() gave begins.
  Place place() const noexcept { return {&bytes_.name(), line_number_, line_offset_}; }
  const std::string& name() const noexcept { return bytes_.name(); }
  std::uint64_t position() const noexcept { return bytes_.position(); }

 private:
  ByteReader bytes_;
  std::uint64_t line_number_ = 0;
  std::uint64_t line_offset_ = 0;
};

/// `line` without its ending, "\n" or "\r\n".
std::string_view without_ending(std::string_view line);

}  // namespace treble::cli
