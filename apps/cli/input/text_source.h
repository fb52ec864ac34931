// How the program's sources of texts understand their files.
#pragma once

#include <optional>
#include <string>

#include "input/utf8.h"
#include "treble/bulk.h"

namespace treble::cli {

/// How inputs are understood.
struct InputOptions {
  /// JSON field (or "a.b": a field within one) or column that holds the text; of a CSV without a header row, its number
  /// from 1. Unset: "text", or the only column of a CSV.
  std::optional<std::string> text_field;
  /// Field put before the text, with a space, where it is there and not empty. Unset: "title" for JSON and
  /// Parquet, as BEIR does, and none for CSV. "": none.
  std::optional<std::string> title_field;
  /// Field with the text's class: a string, or a number, true or false as written; missing, null or blank: it has none.
  /// Unset: labels are not read.
  std::optional<std::string> label_field = {};
  InvalidUtf8 invalid_utf8 = InvalidUtf8::error;
  /// Between the fields of a CSV. Unset: found (see CsvSource).
  std::optional<char> delimiter;
  /// Whether a CSV begins with a header row.
  bool header = true;
};

/// Title and text as one text.
inline std::string join_title(const std::string& title, const std::string& text) {
  if (title.empty()) return text;
  return text.empty() ? title : title + " " + text;
}

}  // namespace treble::cli
