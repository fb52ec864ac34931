#include "input/jsonl.h"

namespace treble::cli {

namespace {

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace

bool JsonlSource::next(TextRecord& record) {
  do {
    if (!lines_.next(line_)) return false;
  } while (is_blank(line_));
  line_.resize(without_ending(line_).size());
  replaced_ += fields_.read(line_, lines_.place(), record);
  return true;
}

}  // namespace treble::cli
