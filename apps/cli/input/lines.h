// Plain text: one text a line. An empty line is an empty text, so rows and lines correspond.
#pragma once

#include <string>

#include "input/line_reader.h"
#include "input/text_source.h"

namespace treble::cli {

class LinesSource : public TextSource {
 public:
  LinesSource(const std::string& path, const InputOptions& options, const StopSignal* stop = nullptr)
      : lines_(path, stop), invalid_utf8_(options.invalid_utf8) {}

  bool next(TextRecord& record) override;
  std::uint64_t bytes_read() const override { return lines_.file_bytes(); }
  std::int64_t replaced() const override { return replaced_; }

 private:
  LineReader lines_;
  InvalidUtf8 invalid_utf8_;
  std::int64_t replaced_ = 0;
};

}  // namespace treble::cli
