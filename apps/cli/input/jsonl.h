// JSONL: an object or a string a line, as BEIR and most data sets have it.
#pragma once

#include <string>

#include "input/line_reader.h"
#include "input/text_fields.h"
#include "input/text_source.h"

namespace treble::cli {

/// Lines of white space alone are skipped.
class JsonlSource : public TextSource {
 public:
  JsonlSource(const std::string& path, const InputOptions& options, const StopSignal* stop = nullptr)
      : lines_(path, stop), fields_(options) {}

  bool next(TextRecord& record) override;
  std::uint64_t bytes_read() const override { return lines_.file_bytes(); }
  std::int64_t replaced() const override { return replaced_; }

 private:
  LineReader lines_;
  TextFields fields_;
  std::int64_t replaced_ = 0;
  std::string line_;
};

}  // namespace treble::cli
