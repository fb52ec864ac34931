// `treble calibrate`: a temperature profile for a model, from unlabelled texts.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "model_arguments.h"
#include "treble/calibrate.h"

namespace treble::cli {

class CalibrateCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  int run() const;

 private:
  CLI::App* command_ = nullptr;
  ModelArguments model_;
  InputArguments input_;
  CalibrateOptions options_;
  std::string match_ = "filter-rate";
  std::string output_;
  bool force_ = false;
};

}  // namespace treble::cli
