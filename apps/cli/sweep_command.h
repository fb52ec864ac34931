// `treble sweep`: does a temperature help on this data? Settings tried, judged on data they were not chosen on.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
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

  void add_data_options();
  void add_prompt_options();
  void add_judgement_options();
  std::vector<Variant> variants() const;
  SweepOptions resolve() const;
  void check_output() const;
  SweepData read_data() const;
  SweepReport sweep_data(SweepOptions options) const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  EncodeArguments encode_;
  std::string data_;
  std::string split_ = "test";
  std::string group_field_;
  bool unlabelled_ = false;
  std::int64_t sample_ = 1000;
  std::string similarity_;  ///< empty: the model's own
  std::vector<std::string> temperatures_;
  std::vector<std::string> posts_;
  std::vector<std::string> dtypes_;
  std::vector<std::string> extensions_;
  std::string side_ = "both";
  std::string cache_;
  SweepOptions options_;  ///< what flags set directly
  ReportOutput output_;
};

}  // namespace treble::cli
