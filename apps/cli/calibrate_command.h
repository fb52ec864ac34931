// `treble calibrate`: a temperature profile for a model, from unlabelled texts.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "input/input_plan.h"
#include "model_arguments.h"
#include "treble/calibrate.h"
#include "treble/whole_file.h"

namespace treble::cli {

class CalibrateCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  int run() const;

 private:
  Existing check_output(const InputPlan& plan) const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  InputArguments input_;
  CalibrateOptions options_;
  std::string match_ = "entropy";
  std::string output_;
  bool force_ = false;
};

}  // namespace treble::cli
