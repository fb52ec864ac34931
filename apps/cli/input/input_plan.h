// What the inputs on the command line are: found and checked before anything long begins, read in order later.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "input/text_source.h"
#include "interrupt.h"

namespace treble::cli {

enum class InputFormat { txt, jsonl, csv, document };

struct InputFile {
  std::string path;
  InputFormat format = InputFormat::txt;
  std::string id;  ///< of a document, as JSON
};

/// One input as it was given.
struct InputArgument {
  std::string path;
  std::string format;                  ///< "txt", "jsonl", "csv" or "dir"
  std::optional<std::uint64_t> bytes;  ///< unset when it cannot be known, as with stdin
  std::size_t files = 1;
};

struct InputPlan {
  std::vector<InputArgument> arguments;
  std::vector<InputFile> files;
  std::optional<std::uint64_t> total_bytes;

  /// "corpus.jsonl:17".
  std::string place(const TextRecord& record) const;
  /// For the metadata of an output.
  nlohmann::ordered_json describe() const;
};

/// `format`: "txt", "jsonl", "csv", "dir", or "" to go by the names. No arguments mean stdin. Opens nothing. Throws
/// Error{not_found, io, invalid_argument, unsupported}.
InputPlan plan_inputs(const std::vector<std::string>& arguments, const std::string& format);

/// All inputs of `plan`, one after the other. `plan` and `stop` must outlive it.
std::unique_ptr<TextSource> open_inputs(const InputPlan& plan, const InputOptions& options,
                                        const StopSignal* stop = nullptr);
std::unique_ptr<TextSource> open_inputs(InputPlan&&, const InputOptions&, const StopSignal* = nullptr) = delete;

}  // namespace treble::cli
