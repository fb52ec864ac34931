#include "input/input_plan.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "fail.h"
#include "input/csv.h"
#include "input/directory.h"
#include "input/jsonl.h"
#include "input/lines.h"

namespace treble::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kFormatOfExtension = {{{".txt", "txt"},
                                                                                               {".text", "txt"},
                                                                                               {".jsonl", "jsonl"},
                                                                                               {".ndjson", "jsonl"},
                                                                                               {".jsonlines", "jsonl"},
                                                                                               {".csv", "csv"},
                                                                                               {".md", "dir"},
                                                                                               {".markdown", "dir"},
                                                                                               {".rst", "dir"},
                                                                                               {".adoc", "dir"},
                                                                                               {".org", "dir"},
                                                                                               {".tex", "dir"}}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kUnpackers = {
    {{".gz", "zcat"}, {".zst", "zstdcat"}, {".bz2", "bzcat"}, {".xz", "xzcat"}}};

template <std::size_t N>
std::string_view look_up(const std::array<std::pair<std::string_view, std::string_view>, N>& table,
                         std::string_view key) {
  for (const auto& [name, value] : table) {
    if (name == key) return value;
  }
  return {};
}

std::string lower_extension(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return extension;
}

std::string json_string(const std::string& bytes) {
  // A file name need not be UTF-8.
  return Json(bytes).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string format_of(const std::string& path, const std::string& chosen) {
  if (!chosen.empty()) return chosen;
  if (path == "-") return "txt";
  const std::string extension = lower_extension(path);
  if (const auto unpacker = look_up(kUnpackers, extension); !unpacker.empty()) {
    fail(ErrorCode::unsupported, "{}: compressed input is not read; pipe it in: {} {} | treble … --format jsonl -",
         path, unpacker, path);
  }
  const auto format = look_up(kFormatOfExtension, extension);
  if (!format.empty()) return std::string(format);
  fail(ErrorCode::invalid_argument, "{}: its name does not tell the format; say --format txt, jsonl, csv or dir", path);
}

InputFormat parse_format(const std::string& name) {
  if (name == "jsonl") return InputFormat::jsonl;
  if (name == "csv") return InputFormat::csv;
  return name == "dir" ? InputFormat::document : InputFormat::txt;
}

std::optional<std::uint64_t> size_of(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

void add_folder(const std::string& folder, const std::string& format, InputPlan& plan) {
  if (!format.empty() && format != "dir") {
    fail(ErrorCode::invalid_argument,
         "{} is a folder, whose files are read as one text each; with --format {} name files", folder, format);
  }
  InputArgument argument = {folder, "dir", 0, 0};
  for (const auto& name : list_documents(folder)) {
    const std::string path = (std::filesystem::path(folder) / name).string();
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) fail_errno("read", path);
    *argument.bytes += size_of(status).value_or(0);
    ++argument.files;
    plan.files.push_back({path, InputFormat::document, json_string(name)});
  }
  plan.arguments.push_back(std::move(argument));
}

void add_argument(const std::string& path, const std::string& format, InputPlan& plan) {
  struct stat status = {};
  const bool is_stdin = path == "-";
  if (is_stdin ? ::fstat(STDIN_FILENO, &status) != 0 : ::stat(path.c_str(), &status) != 0) {
    fail_errno("read", is_stdin ? "stdin" : path);
  }
  if (S_ISDIR(status.st_mode)) return add_folder(path, format, plan);
  if (!is_stdin && ::access(path.c_str(), R_OK) != 0) fail_errno("read", path);
  const std::string found = format_of(path, format);
  const InputFormat parsed = parse_format(found);
  plan.arguments.push_back({path, found, size_of(status), 1});
  plan.files.push_back({path, parsed, parsed == InputFormat::document ? json_string(path) : std::string()});
}

std::unique_ptr<TextSource> open_file(const InputFile& file, const InputOptions& options, const StopSignal* stop) {
  switch (file.format) {
    case InputFormat::jsonl: return std::make_unique<JsonlSource>(file.path, options, stop);
    case InputFormat::csv: return std::make_unique<CsvSource>(file.path, options, stop);
    case InputFormat::document: return std::make_unique<DocumentSource>(file.path, file.id, options, stop);
    case InputFormat::txt: break;
  }
  return std::make_unique<LinesSource>(file.path, options, stop);
}

class AllInputs : public TextSource {
 public:
  AllInputs(const InputPlan& plan, const InputOptions& options, const StopSignal* stop)
      : plan_(plan), options_(options), stop_(stop) {}

  bool next(TextRecord& record) override {
    for (; file_ < plan_.files.size(); ++file_) {
      if (!current_) current_ = open_file(plan_.files[file_], options_, stop_);
      if (current_->next(record)) {
        record.file = file_;
        return true;
      }
      bytes_before_ += current_->bytes_read();
      replaced_before_ += current_->replaced();
      current_.reset();
    }
    return false;
  }
  std::uint64_t bytes_read() const override { return bytes_before_ + (current_ ? current_->bytes_read() : 0); }
  std::int64_t replaced() const override { return replaced_before_ + (current_ ? current_->replaced() : 0); }

 private:
  const InputPlan& plan_;
  InputOptions options_;
  const StopSignal* stop_;
  std::size_t file_ = 0;
  std::unique_ptr<TextSource> current_;
  std::uint64_t bytes_before_ = 0;
  std::int64_t replaced_before_ = 0;
};

}  // namespace

std::string InputPlan::place(const TextRecord& record) const {
  const std::string& path = files[record.file].path;
  return fmt::format("{}:{}", path == "-" ? "stdin" : path, record.line);
}

Json InputPlan::describe() const {
  // A shell pattern may give thousands; the output must not carry them all.
  constexpr std::size_t kMost = 50;
  Json list = Json::array();
  for (const auto& argument : arguments) {
    if (list.size() == kMost) {
      list.push_back({{"more", arguments.size() - kMost}});
      break;
    }
    Json entry = {{"path", Json::parse(json_string(argument.path))}, {"format", argument.format}};
    if (argument.format == "dir") entry["files"] = argument.files;
    entry["bytes"] = argument.bytes ? Json(*argument.bytes) : Json();
    list.push_back(std::move(entry));
  }
  return list;
}

InputPlan plan_inputs(const std::vector<std::string>& arguments, const std::string& format) {
  InputPlan plan;
  if (std::count(arguments.begin(), arguments.end(), "-") > 1) {
    fail(ErrorCode::invalid_argument, "stdin (-) can be read only once");
  }
  for (const auto& argument : arguments.empty() ? std::vector<std::string>{"-"} : arguments) {
    add_argument(argument, format, plan);
  }
  plan.total_bytes = 0;
  for (const auto& argument : plan.arguments) {
    if (argument.bytes && plan.total_bytes) {
      *plan.total_bytes += *argument.bytes;
    } else {
      plan.total_bytes.reset();
    }
  }
  return plan;
}

std::unique_ptr<TextSource> open_inputs(const InputPlan& plan, const InputOptions& options, const StopSignal* stop) {
  return std::make_unique<AllInputs>(plan, options, stop);
}

}  // namespace treble::cli
