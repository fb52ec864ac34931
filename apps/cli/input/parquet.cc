#include "input/parquet.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "fail.h"

namespace treble::cli {

namespace {

constexpr const char* kScript = "read_parquet.py";
constexpr std::string_view kLast = "{\"end\"";
constexpr std::string_view kError = "{\"error\"";

/// What the script writes has fields of these names, whatever those of the file are.
InputOptions written_fields(const InputOptions& options) {
  InputOptions written;
  written.text_field = "text";
  written.title_field = "title";
  if (options.label_field) written.label_field = "label";
  written.invalid_utf8 = options.invalid_utf8;
  return written;
}

}  // namespace

ParquetSource::ParquetSource(std::string path, std::string python, const InputOptions& options, const StopSignal* stop)
    : path_(std::move(path)),
      python_(std::move(python)),
      options_(options),
      fields_(written_fields(options)),
      stop_(stop) {
  std::error_code ignored;
  file_bytes_ = std::filesystem::file_size(path_, ignored);
}

void ParquetSource::start() {
  std::vector<std::string> arguments = {path_, "--text-field=" + options_.text_field.value_or("text")};
  if (options_.title_field) arguments.push_back("--title-field=" + *options_.title_field);
  if (options_.label_field) arguments.push_back("--label-field=" + *options_.label_field);
  script_ = std::make_unique<PythonPipe>(PythonScript{kScript, {}, std::move(arguments), python_});
  lines_ = std::make_unique<LineReader>(script_->fd(), path_, stop_);
  if (!read_line()) fail_early();
  const JsonValue head = parse_json(line_);
  const JsonValue* rows = head.member("rows");
  if (rows != nullptr) rows_ = std::stoull(rows->text);
}

/// The next line of the script; throws the error that it reports.
bool ParquetSource::read_line() {
  if (!lines_->next(line_)) return false;
  if (!line_.starts_with(kError)) return true;
  const JsonValue report = parse_json(without_ending(line_));
  const JsonValue* message = report.member("error");
  fail(ErrorCode::invalid_file, "{}: {}", path_, message == nullptr ? line_ : message->text);
}

void ParquetSource::fail_early() {
  fail(ErrorCode::io, "{}: the Python part that reads Parquet ended early, after row {}, with status {}", path_, row_,
       script_->wait());
}

bool ParquetSource::next(TextRecord& record) {
  if (ended_) return false;
  if (!lines_) start();
  if (!read_line()) fail_early();
  if (line_.starts_with(kLast)) {
    ended_ = true;
    script_->wait();
    return false;
  }
  replaced_ += fields_.read(line_, {&path_, ++row_, 0}, record);
  return true;
}

std::uint64_t ParquetSource::bytes_read() const {
  if (ended_ || rows_ == 0) return ended_ ? file_bytes_ : 0;
  return static_cast<std::uint64_t>(static_cast<double>(file_bytes_) * static_cast<double>(row_) /
                                    static_cast<double>(rows_));
}

std::string find_parquet_reader(const std::string& path) {
  try {
    return find_python({kScript, {"pyarrow"}, {}});
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace treble::cli
