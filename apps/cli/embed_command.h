// `treble embed`: texts to vectors.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "model_arguments.h"
#include "treble/bulk.h"
#include "treble/bulk_outputs.h"
#include "treble/whole_file.h"

namespace treble::cli {

class EmbedCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  /// The exit code: 0, or that of `interrupted` after Ctrl-C.
  int run() const;

 private:
  class Run;

  bool dense() const { return output_kind_ == "dense"; }
  void check_output_kind() const;
  OutputJobOptions resolve_outputs() const;
  int run_outputs() const;
  bool to_stdout() const { return output_.empty() || output_ == "-"; }
  void check_format() const;
  void check_output(const InputPlan& plan) const;
  EncodeOptions resolve_reading() const;
  BulkOptions resolve() const;
  VectorFileMode mode() const;
  Existing existing_summary() const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  EncodeArguments encode_;
  InputArguments input_;
  std::string temperature_ = "1";
  std::string state_ = "none";
  std::string post_;
  std::string precision_ = "float32";
  std::string output_kind_ = "dense";
  std::string role_;
  std::optional<std::int64_t> max_active_dims_;
  std::string ranges_;
  std::string output_;
  std::string json_summary_;
  std::optional<std::int64_t> chunk_texts_;
  bool force_ = false;
  bool resume_ = false;
  bool quiet_ = false;
};

}  // namespace treble::cli
