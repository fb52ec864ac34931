#include "parquet_output.h"

#include <utility>

#include "fail.h"
#include "input/line_reader.h"
#include "python_script.h"

namespace treble::cli {

namespace {

constexpr const char* kWriterScript = "write_parquet.py";

/// The script says nothing, or in one line why it failed.
void run_writer(const std::string& python, const char* action, const std::string& from, const std::string& to) {
  PythonPipe script({kWriterScript, {}, {action, from, to}, python});
  std::string message;
  LineReader(script.fd(), kWriterScript, nullptr).next(message);
  const int status = script.wait();
  if (status == 0 && message.empty()) return;
  fail(ErrorCode::io, "{}: {}", to,
       message.empty() ? fmt::format("the Python part that writes Parquet ended with status {}", status)
                       : std::string(without_ending(message)));
}

}  // namespace

VectorConverter vector_converter(const std::string& output) {
  if (output.empty() || output == "-" || vector_format(output) != VectorFormat::parquet) return {};
  std::string python;
  try {
    python = find_python({kWriterScript, {"pyarrow", "numpy"}, {}});
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", output, error.what()));
  }
  return {.write = [python](const auto& rows, const auto& to) { run_writer(python, "write", rows, to); },
          .read = [python](const auto& from, const auto& rows) { run_writer(python, "read", from, rows); }};
}

}  // namespace treble::cli
