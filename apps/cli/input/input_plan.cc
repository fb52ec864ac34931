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
#include "input/json_list.h"
#include "input/json_value.h"
#include "input/jsonl.h"
#include "input/lines.h"
#include "input/parquet.h"
#include "json.h"
#include "treble/decompress.h"

namespace treble::cli {

namespace {

using Names = std::pair<std::string_view, std::string_view>;

constexpr std::array<Names, 15> kFormatOfExtension = {{{".txt", "txt"},
                                                       {".text", "txt"},
                                                       {".jsonl", "jsonl"},
                                                       {".ndjson", "jsonl"},
                                                       {".jsonlines", "jsonl"},
                                                       {".json", "json"},
                                                       {".csv", "csv"},
                                                       {".tsv", "tsv"},
                                                       {".parquet", "parquet"},
                                                       {".md", "dir"},
                                                       {".markdown", "dir"},
                                                       {".rst", "dir"},
                                                       {".adoc", "dir"},
                                                       {".org", "dir"},
                                                       {".tex", "dir"}}};
/// What is not read, and a program that makes plain text of it.
constexpr std::array<Names, 9> kUnpackers = {{{".bz2", "bzcat"},
                                              {".xz", "xzcat"},
                                              {".lzma", "xzcat"},
                                              {".lz4", "lz4cat"},
                                              {".br", "brotli -dc"},
                                              {".zip", "unzip -p"},
                                              {".7z", "7z x -so"},
                                              {".tar", "tar -xOf"},
                                              {".tgz", "tar -xzOf"}}};

template <std::size_t N>
std::string_view look_up(const std::array<Names, N>& table, std::string_view key) {
  for (const auto& [name, value] : table) {
    if (name == key) return value;
  }
  return {};
}

std::string format_of(const std::string& path, const std::string& chosen) {
  if (!chosen.empty()) return chosen;
  if (path == "-") return "txt";
  const std::string extension = lower_extension(without_compression_extension(path));
  if (const auto unpacker = look_up(kUnpackers, extension); !unpacker.empty()) {
    fail(ErrorCode::unsupported, "{}: {} files are not read; pipe what is in it: {} {} | treble … --format jsonl -",
         path, extension, unpacker, path);
  }
  const auto format = look_up(kFormatOfExtension, extension);
  if (!format.empty()) return std::string(format);
  fail(ErrorCode::invalid_argument, "{}: its name does not show the format; give --format {}", path,
       fmt::join(kFormats, "|"));
}

InputFile describe_file(const std::string& path, const std::string& format) {
  if (format == "jsonl") return {path, InputFormat::jsonl, {}, {}};
  if (format == "json") return {path, InputFormat::json, {}, {}};
  if (format == "csv") return {path, InputFormat::csv, {}, {}};
  if (format == "tsv") return {path, InputFormat::csv, {}, '\t'};
  if (format == "parquet") return {path, InputFormat::parquet, {}, {}};
  if (format == "dir") return {path, InputFormat::document, json_string(path), {}};
  return {path, InputFormat::txt, {}, {}};
}

std::optional<std::uint64_t> size_of(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

void add_folder(const std::string& folder, const PlanOptions& options, InputPlan& plan) {
  if (!options.format.empty() && options.format != "dir") {
    fail(ErrorCode::invalid_argument,
         "{} is a folder, whose files are read as one text each; with --format {} name files", folder, options.format);
  }
  FolderListing listing = list_documents(folder, options.skip_unreadable);
  InputArgument argument = {folder, "dir", 0, 0, std::move(listing.rest)};
  for (const auto& name : listing.documents) {
    const std::string path = (std::filesystem::path(folder) / name).string();
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) fail_errno("read", path);
    *argument.bytes += size_of(status).value_or(0);
    ++argument.files;
    plan.files.push_back({path, InputFormat::document, json_string(name), {}});
  }
  plan.arguments.push_back(std::move(argument));
}

/// Fails for a file that cannot be read, or notes that it is skipped.
void skip_file(const std::string& path, const PlanOptions& options, InputPlan& plan) {
  if (!options.skip_unreadable || path == "-") fail_errno("read", path == "-" ? "stdin" : path);
  InputArgument argument = {path, "unreadable", 0, 0, {}};
  argument.rest.unreadable.push_back(path);
  plan.arguments.push_back(std::move(argument));
}

void add_argument(const std::string& path, const PlanOptions& options, InputPlan& plan) {
  struct stat status = {};
  const bool is_stdin = path == "-";
  if (is_stdin ? ::fstat(STDIN_FILENO, &status) != 0 : ::stat(path.c_str(), &status) != 0) {
    if (errno == EACCES) return skip_file(path, options, plan);
    fail_errno("read", is_stdin ? "stdin" : path);
  }
  if (S_ISDIR(status.st_mode) && !is_stdin) return add_folder(path, options, plan);
  if (!is_stdin && ::access(path.c_str(), R_OK) != 0) return skip_file(path, options, plan);
  const std::string format = format_of(path, options.format);
  plan.arguments.push_back({path, format, size_of(status), 1, {}});
  plan.files.push_back(describe_file(path, format));
  if (format != "parquet") return;
  if (is_stdin) fail(ErrorCode::unsupported, "Parquet is read from its end, so not from stdin; name the file");
  // Looking for it takes a second, so it is looked for once.
  const auto known =
      std::find_if(plan.files.begin(), plan.files.end(), [](const auto& f) { return !f.python.empty(); });
  plan.files.back().python = known == plan.files.end() ? find_parquet_reader(path) : known->python;
}

/// Counts of a folder that are not 0.
Json describe_rest(const FolderRest& rest) {
  Json json = Json::object();
  if (!rest.other_kinds.empty()) {
    for (const auto& [extension, count] : rest.other_kinds) {
      json["other_kinds"][extension.empty() ? "none" : parse_json_text(json_string(extension)).get<std::string>()] =
          count;
    }
  }
  const auto add = [&](const char* name, std::size_t count) {
    if (count > 0) json[name] = count;
  };
  add("hidden", rest.hidden);
  add("empty", rest.empty);
  add("special", rest.special);
  add("broken_links", rest.broken_links.size());
  add("unreadable", rest.unreadable.size());
  add("repeated_links", rest.repeated.size());
  return json;
}

std::unique_ptr<TextSource> open_file(const InputFile& file, const InputOptions& options, const StopSignal* stop) {
  switch (file.format) {
    case InputFormat::jsonl: return std::make_unique<JsonlSource>(file.path, options, stop);
    case InputFormat::json: return std::make_unique<JsonListSource>(file.path, options, stop);
    case InputFormat::csv: return std::make_unique<CsvSource>(file.path, options, file.delimiter, stop);
    case InputFormat::parquet: return std::make_unique<ParquetSource>(file.path, file.python, options, stop);
    case InputFormat::document: return std::make_unique<DocumentSource>(file.path, file.id, options, stop);
    case InputFormat::txt: break;
  }
  return std::make_unique<LinesSource>(file.path, options, stop);
}

class AllInputs : public TextSource {
 public:
  AllInputs(const InputPlan& plan, InputOptions options) : plan_(plan), options_(std::move(options)) {}

  bool next(TextRecord& record) override {
    for (; file_ < plan_.files.size(); ++file_) {
      if (!current_) current_ = open_file(plan_.files[file_], options_, &stop_);
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
  std::string place(const TextRecord& record) const override { return plan_.place(record); }
  void stop() noexcept override { stop_.request(); }

 private:
  const InputPlan& plan_;
  InputOptions options_;
  StopSignal stop_;
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
  constexpr std::size_t kMaxArguments = 50;
  Json list = Json::array();
  for (const auto& argument : arguments) {
    if (list.size() == kMaxArguments) {
      list.push_back({{"more", arguments.size() - kMaxArguments}});
      break;
    }
    Json entry = {{"path", parse_json_text(json_string(argument.path))}, {"format", argument.format}};
    if (argument.format == "dir") entry["files"] = argument.files;
    if (Json rest = describe_rest(argument.rest); !rest.empty()) entry["not_read"] = std::move(rest);
    if (!argument.rest.linked.empty()) entry["linked_folders"] = argument.rest.linked.size();
    entry["bytes"] = argument.bytes ? Json(*argument.bytes) : Json();
    list.push_back(std::move(entry));
  }
  return list;
}

std::string InputPlan::notes() const {
  std::string text;
  for (const auto& argument : arguments) {
    const std::string rest = treble::cli::describe(argument.rest);
    if (rest.empty()) continue;
    text += argument.format == "dir" ? fmt::format("{}: {} text{}; {}\n", argument.path, argument.files,
                                                   argument.files == 1 ? "" : "s", rest)
                                     : fmt::format("{}\n", rest);
  }
  return text;
}

InputPlan plan_inputs(const std::vector<std::string>& arguments, const PlanOptions& options) {
  InputPlan plan;
  if (std::count(arguments.begin(), arguments.end(), "-") > 1) {
    fail(ErrorCode::invalid_argument, "stdin (-) can be read only once");
  }
  for (const auto& argument : arguments.empty() ? std::vector<std::string>{"-"} : arguments) {
    add_argument(argument, options, plan);
  }
  if (plan.files.empty()) fail(ErrorCode::io, "none of the inputs can be read ({})", arguments.front());
  const auto is_csv = [](const InputFile& file) { return file.format == InputFormat::csv; };
  if (options.csv_only && std::none_of(plan.files.begin(), plan.files.end(), is_csv)) {
    fail(ErrorCode::invalid_argument, "--delimiter and --no-header are for CSV, and no input is one; --format csv?");
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

std::unique_ptr<TextSource> open_inputs(const InputPlan& plan, const InputOptions& options) {
  return std::make_unique<AllInputs>(plan, options);
}

}  // namespace treble::cli
