// Parquet files, read by a Python part of Treble with pyarrow.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "input/line_reader.h"
#include "input/text_fields.h"
#include "input/text_source.h"
#include "python_script.h"

namespace treble::cli {

/// A row is a text; the line of a record is its row, from 1. Rows come through a pipe, so that memory stays small.
class ParquetSource : public TextSource {
 public:
  /// `python`: as find_parquet_reader gave it. Starts to read with the first next(), which throws Error{invalid_file}
  /// naming file and row.
  ParquetSource(std::string path, std::string python, const InputOptions& options, const StopSignal* stop = nullptr);

  bool next(TextRecord& record) override;
  std::uint64_t bytes_read() const override;
  std::int64_t replaced() const override { return replaced_; }

 private:
  void start();
  bool read_line();
  [[noreturn]] void fail_early();

  std::string path_;
  std::string python_;
  InputOptions options_;
  TextFields fields_;
  const StopSignal* stop_;
  std::uint64_t file_bytes_ = 0;
  std::unique_ptr<PythonPipe> script_;
  std::unique_ptr<LineReader> lines_;
  std::string line_;
  std::uint64_t rows_ = 0;
  std::uint64_t row_ = 0;
  bool ended_ = false;
  std::int64_t replaced_ = 0;
};

/// A Python interpreter that can read Parquet. Throws Error{not_found} naming `path` and what to install.
std::string find_parquet_reader(const std::string& path);

}  // namespace treble::cli
