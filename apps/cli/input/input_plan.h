// What the inputs on the command line are: found and checked before anything long begins, read in order later.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "input/directory.h"
#include "input/text_source.h"
#include "interrupt.h"

namespace treble::cli {

enum class InputFormat { txt, jsonl, json, csv, parquet, document };

struct InputFile {
  std::string path;
  InputFormat format = InputFormat::txt;
  std::string id;                 ///< of a document, as JSON
  std::optional<char> delimiter;  ///< of a CSV, where its name says it
  std::string python = {};        ///< of Parquet: the interpreter that reads it
};

/// One input as it was given.
struct InputArgument {
  std::string path;
  std::string format;                  ///< one of kFormats
  std::optional<std::uint64_t> bytes;  ///< unset when it cannot be known, as with stdin
  std::size_t files = 1;
  FolderRest rest = {};  ///< of a folder: what is not read
};

struct InputPlan {
  std::vector<InputArgument> arguments;
  std::vector<InputFile> files;
  std::optional<std::uint64_t> total_bytes;

  /// "corpus.jsonl:17".
  std::string place(const TextRecord& record) const;
  /// For the metadata of an output.
  nlohmann::ordered_json describe() const;
  /// For people: a line for each folder of which something is not read, and for each file that is skipped.
  std::string notes() const;
};

/// What --format takes.
inline constexpr std::array<const char*, 7> kFormats = {"txt", "jsonl", "json", "csv", "tsv", "parquet", "dir"};

struct PlanOptions {
  std::string format;            ///< one of kFormats, or "" to go by the names
  bool skip_unreadable = false;  ///< skip files and folders that may not be read, instead of failing
  bool csv_only = false;         ///< an option was given that is for CSV: it is an error when there is none
};

/// No arguments mean stdin. Opens nothing; looks into folders, and for pyarrow where there is Parquet. Throws
/// Error{not_found, io, invalid_argument, unsupported}.
InputPlan plan_inputs(const std::vector<std::string>& arguments, const PlanOptions& options = {});

/// All inputs of `plan`, which must outlive it, one after the other. TextRecord::file is an index into
/// InputPlan::files.
std::unique_ptr<TextSource> open_inputs(const InputPlan& plan, const InputOptions& options);
std::unique_ptr<TextSource> open_inputs(InputPlan&&, const InputOptions&) = delete;

}  // namespace treble::cli
