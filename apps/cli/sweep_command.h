// `treble sweep`: does a temperature help on this data? Settings tried, judged on data they were not chosen on.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
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
  int run() const;

 private:
  struct Data {
    std::unique_ptr<SweepTask> task;
    std::size_t texts = 0;
    bool labelled = true;
  };
  void add_data_options();
  void add_judgement_options();
  /// Another form of the model to try.
  struct Variant {
    std::string name;
    ModelOptions options;
  };
  std::vector<Variant> variants() const;
  std::vector<SweepSetting> settings() const;
  void check_output() const;
  Data open_task(const CachedEncoder& encoder) const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  EncodeArguments encode_;
  std::string data_;
  std::string split_ = "test";
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
