#include "input/line_reader.h"

namespace treble::cli {

bool LineReader::next(std::string& line) {
  line.clear();
  std::string_view piece = bytes_.peek();
  if (piece.empty()) return false;
  line_offset_ = bytes_.position();
  ++line_number_;
  for (; !piece.empty(); piece = bytes_.peek()) {
    const auto newline = piece.find('\n');
    const auto size = newline == std::string_view::npos ? piece.size() : newline + 1;
    line.append(piece, 0, size);
    bytes_.consume(size);
    if (newline != std::string_view::npos) break;
  }
  return true;
}

std::string_view without_ending(std::string_view line) {
  if (!line.ends_with('\n')) return line;
  line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace treble::cli
