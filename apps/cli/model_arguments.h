// The options about model and encoding that several commands share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "input/input_plan.h"
#include "input/text_source.h"
#include "treble/bulk.h"
#include "treble/options.h"
#include "treble/reranker.h"
#include "treble/sentence_encoder.h"

namespace treble::cli {

/// Throw Error{invalid_argument} naming what there is.
ComputeType parse_dtype(const std::string& name);
PositionExtension parse_extension(const std::string& name);
/// Throws what StateControl::parse throws, naming --state.
StateControl parse_state(const std::string& text);

/// `task`, or where that is empty the prompt's name if the model has an adapter for a task of that name.
std::string task_or_prompt(const std::string& model, const std::string& task,
                           const std::optional<std::string>& prompt_name);

/// What --post is: the file of a fitted step, or how texts are read in pieces. Throws what ChunkOptions::parse throws.
void read_post(const std::string& written, BulkOptions& options);

/// What to say of an extension that changes the vectors of texts within the model's positions; empty where it does not.
std::string extension_warning(const ModelInfo& model);

struct ModelArguments {
  ModelOptions options;

  /// Adds --model, --adapter, --task, --max-length, --extend, --dtype, --threads, --cache, --special-tokens-as-text.
  void add_to(CLI::App& command);
  /// Loads, and says the model's warnings and those of an extension on stderr, unless `quiet`. Throws Error as
  /// SentenceEncoder::load does, and when no model was named, by TREBLE_MODEL neither.
  /// `prompt_name` chooses the task where --task does not and the model has one of that name.
  SentenceEncoder load(bool quiet = false, const std::optional<std::string>& prompt_name = {}) const;
  /// The same of a cross-encoder. Throws Error as Reranker::load does.
  Reranker load_reranker(bool quiet = false) const;

 private:
  void check_named() const;
  void say_warnings(const ModelInfo& info) const;
};

struct EncodeArguments {
  EncodeOptions options;
  std::string truncate;

  /// Adds --prompt, --prompt-name, --truncate, --normalize, --dimensions, --temper-position-bias, --batch-tokens.
  void add_to(CLI::App& command);
  /// Those of them that are about how texts are read, not about vectors: all but --normalize and --dimensions.
  void add_reading_to(CLI::App& command, const std::string& group);
  EncodeOptions resolve() const;
};

struct InputArguments {
  std::vector<std::string> inputs;
  std::string format;
  InputOptions options;
  std::string invalid_utf8 = "error";
  std::string delimiter;
  bool skip_unreadable = false;

  /// Adds INPUT…, --format, --text-field, --title-field, --delimiter, --no-header, --invalid-utf8, --skip-unreadable.
  void add_to(CLI::App& command);
  InputOptions resolve() const;
  /// Finds the inputs, and unless `quiet` says on stderr what of them is not read. Throws as plan_inputs does.
  InputPlan plan(bool quiet = false) const;
  /// Throws Error{invalid_argument} when nothing was named and stdin is a terminal, where nothing will come.
  void check_given() const;
};

}  // namespace treble::cli
