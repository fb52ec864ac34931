#include "input/line_reader.h"

namespace treble::cli {

namespace {

/// How much is inspected to see which line endings a file has.
constexpr std::size_t kLookAhead = std::size_t{64} << 10;

std::size_t find_end(std::string_view piece, LineEnds ends) {
  return ends == LineEnds::newline ? piece.find('\n') : piece.find_first_of("\r\n");
}

}  // namespace

void LineReader::choose_ends() {
  started_ = true;
  if (ends_ == LineEnds::universal) return;
  const std::string_view start = bytes_.peek_until('\n', kLookAhead).substr(0, kLookAhead);
  const bool old_mac = start.find('\n') == std::string_view::npos && start.find('\r') != std::string_view::npos;
  if (old_mac) ends_ = LineEnds::universal;
}

bool LineReader::next(std::string& line) {
  if (!started_) choose_ends();
  line.clear();
  std::string_view piece = bytes_.peek();
  if (piece.empty()) return false;
  line_offset_ = bytes_.offset();
  ++line_number_;
  for (; !piece.empty(); piece = bytes_.peek()) {
    const auto end = find_end(piece, ends_);
    const auto size = end == std::string_view::npos ? piece.size() : end + 1;
    line.append(piece, 0, size);
    bytes_.consume(size);
    if (end == std::string_view::npos) continue;
    if (line.back() == '\r' && bytes_.peek().starts_with('\n')) {
      line += '\n';
      bytes_.consume(1);
    }
    break;
  }
  if (line.starts_with(kByteOrderMark)) {
    line.erase(0, kByteOrderMark.size());
    line_offset_ += kByteOrderMark.size();
  }
  return true;
}

std::string_view without_ending(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace treble::cli
