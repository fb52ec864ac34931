// The options about model and encoding that several commands share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "input/text_source.h"
#include "treble/options.h"
#include "treble/sentence_encoder.h"

namespace treble::cli {

/// Throw Error{invalid_argument} naming what there is.
ComputeType parse_dtype(const std::string& name);
PositionExtension parse_extension(const std::string& name);

struct ModelArguments {
  ModelOptions options;

  /// Adds --model, --threads, --max-length, --extend, --special-tokens-as-text.
  void add_to(CLI::App& command);
  /// Loads; also when no model was named, as TREBLE_MODEL may say. Throws Error as SentenceEncoder::load does.
  SentenceEncoder load() const;
};

struct EncodeArguments {
  EncodeOptions options;
  std::string truncate;

  /// Adds --prompt, --prompt-name, --truncate, --normalize, --dimensions, --temper-position-bias, --batch-tokens.
  void add_to(CLI::App& command);
  EncodeOptions resolve() const;
};

struct InputArguments {
  std::vector<std::string> inputs;
  std::string format;
  InputOptions options;
  std::string invalid_utf8 = "error";

  /// Adds INPUT…, --format, --text-field, --title-field, --invalid-utf8.
  void add_to(CLI::App& command);
  InputOptions resolve() const;
  /// Throws Error{invalid_argument} when nothing was named and stdin is a terminal, where nothing will come.
  void check_given() const;
};

/// Writes to stdout. Throws Error{io}.
void print_out(std::string_view text);

}  // namespace treble::cli
