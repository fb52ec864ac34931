// `treble collapse-model`: the near-features model of neural collapse on features of one's own.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "report_output.h"
#include "treble/neural_collapse.h"

namespace treble::cli {

class CollapseModelCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  int run() const;

 private:
  CLI::App* command_ = nullptr;
  std::string features_;
  std::string labels_;
  std::string csv_;
  NearFeaturesOptions options_;
  std::vector<double> betas_;
  std::vector<double> times_;
  ReportOutput output_;
};

}  // namespace treble::cli
