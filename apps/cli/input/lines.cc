#include "input/lines.h"

namespace treble::cli {

bool LinesSource::next(TextRecord& record) {
  if (!lines_.next(record.text)) return false;
  record.text.resize(without_ending(record.text).size());
  replaced_ += repair_utf8(record.text, lines_.place(), invalid_utf8_);
  record.id.clear();
  record.line = lines_.place().line;
  return true;
}

}  // namespace treble::cli
