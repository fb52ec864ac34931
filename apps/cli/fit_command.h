// `treble fit`: a transform of vectors from unlabelled texts.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "input/input_plan.h"
#include "model_arguments.h"

namespace treble::cli {

class FitCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  int run() const;

 private:
  void check_output(const InputPlan& plan) const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  EncodeArguments encode_;
  InputArguments input_;
  std::string transform_;
  std::string temperature_ = "1";
  std::string state_ = "none";
  std::string output_;
  bool force_ = false;
};

}  // namespace treble::cli
