// `treble sweep`: does a temperature help on this data? Settings tried, judged on data they were not chosen on.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model_arguments.h"
#include "report_output.h"
#include "treble/sweep.h"

namespace treble::cli {

class SweepCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  /// 130 when it was stopped on request. Throws Error for everything else that keeps it from its end.
  int run() const;

 private:
  /// Another form of the model to try.
  struct Variant {
    std::string name;
    ModelOptions options;
  };
  /// What was found, and where its runs go: a path for each of the settings.
  struct Outcome {
    SweepReport report;
    std::vector<SweepSetting> settings;
    std::vector<std::filesystem::path> run_paths;
  };

  void add_data_options();
  void add_prompt_options();
  void add_judgement_options();
  void add_try_options(const std::string& group);
  void add_item_options(const std::string& group);
  /// `max_length`: of those forms that do not extend positions.
  std::vector<Variant> variants(std::int64_t max_length) const;
  /// Able to read what --try-max-length asks for; `options` then say what the untouched model reads.
  SentenceEncoder load(SweepOptions& options) const;
  SweepOptions resolve() const;
  void check_output() const;
  SweepData read_data() const;
  /// What is shared by both kinds of models, once the settings are known: outputs, notes on the data, progress.
  SweepData prepare(SweepOptions& options, Outcome& outcome) const;
  Outcome sweep_data(SweepOptions options) const;
  /// Of a cross-encoder.
  Outcome sweep_reranker(SweepOptions options) const;
  Reranker load_reranker(SweepOptions& options) const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  EncodeArguments encode_;
  std::string data_;
  std::string split_ = "test";
  std::string group_field_;
  std::string candidates_;  ///< a TREC run; empty: every document, or those of the data
  std::int64_t candidate_depth_ = 100;
  bool unlabelled_ = false;
  std::int64_t sample_ = 1000;
  std::string similarity_;  ///< empty: the model's own
  std::vector<std::string> temperatures_;
  std::vector<std::string> states_;
  std::vector<std::string> posts_;
  std::vector<std::string> dtypes_;
  std::vector<std::string> extensions_;
  std::string run_;
  std::int64_t run_depth_ = 100;
  std::string scores_;
  std::string side_ = "both";
  SweepOptions options_;  ///< what flags set directly
  ReportOutput output_;
};

}  // namespace treble::cli
