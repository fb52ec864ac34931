// Texts one after the other, from wherever they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "input/utf8.h"

namespace treble::cli {

struct TextRecord {
  std::string text;        ///< valid UTF-8; may be empty, may hold NUL
  std::string id;          ///< the source's own id as JSON ("\"doc7\"", "7"); empty: it has none
  std::size_t file = 0;    ///< index into InputPlan::files
  std::uint64_t line = 1;  ///< where the text begins
};

/// How inputs are understood.
struct InputOptions {
  /// JSON field (or "a.b": a field within one) or column that holds the text; of a CSV without a header row, its number
  /// from 1. Unset: "text", or the only column of a CSV.
  std::optional<std::string> text_field;
  /// Field put before the text, with a space, where it is there and not empty. Unset: "title" for JSON and
  /// Parquet, as BEIR does, and none for CSV. "": none.
  std::optional<std::string> title_field;
  InvalidUtf8 invalid_utf8 = InvalidUtf8::error;
  /// Between the fields of a CSV. Unset: found (see CsvSource).
  std::optional<char> delimiter;
  /// Whether a CSV begins with a header row.
  bool header = true;
};

/// One input. Used by one thread.
class TextSource {
 public:
  TextSource() = default;
  virtual ~TextSource() = default;
  TextSource(const TextSource&) = delete;
  TextSource& operator=(const TextSource&) = delete;

  /// The next text; false at the end. Throws Error naming file and line.
  virtual bool next(TextRecord& record) = 0;
  /// Bytes of input behind the texts given so far.
  virtual std::uint64_t bytes_read() const = 0;
  /// How many U+FFFD were put in for invalid UTF-8 so far.
  virtual std::int64_t replaced() const = 0;
};

/// Title and text as one text.
inline std::string join_title(const std::string& title, const std::string& text) {
  if (title.empty()) return text;
  return text.empty() ? title : title + " " + text;
}

}  // namespace treble::cli
