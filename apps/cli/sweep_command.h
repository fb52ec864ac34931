// `treble sweep`: does a temperature help on this data? Settings tried, judged on data they were not chosen on.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "evaluation/held_out.h"
#include "model_arguments.h"
#include "report_output.h"
#include "sweep_task.h"

namespace treble::cli {

class SweepCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  /// 130 when it was stopped on request. Throws Error for everything else that keeps it from its end.
  int run() const;

 private:
  class Run;
  void add_data_options();
  void add_prompt_options();
  void add_judgement_options();
  /// Another form of the model to try.
  struct Variant {
    std::string name;
    ModelOptions options;
  };
  std::vector<Variant> variants() const;
  std::vector<SweepSetting> settings() const;
  void check_output() const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  EncodeArguments encode_;
  std::string data_;
  std::string split_ = "test";
  bool ignore_identical_ids_ = false;
  std::string similarity_;  ///< empty: the model's own
  bool unlabelled_ = false;
  std::int64_t sample_ = 1000;
  std::vector<std::string> temperatures_;
  std::vector<std::string> posts_;
  std::vector<std::string> dtypes_;
  std::vector<std::string> extensions_;
  std::string side_ = "both";
  SweepPrompts prompts_;
  HeldOutOptions held_out_;
  std::vector<std::int64_t> edges_ = {32, 64, 128, 256, 512};
  std::string cache_;
  ReportOutput output_;
};

}  // namespace treble::cli
