// `treble inspect`: what length does to the vectors of a model, and what a temperature changes.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "input/input_plan.h"
#include "model_arguments.h"
#include "report_output.h"
#include "treble/collapse_report.h"

namespace treble::cli {

class InspectCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  int run() const;

 private:
  InspectOptions resolve() const;
  void check_labels(const InputPlan& plan) const;
  void check_output(const InputPlan& plan) const;
  CollapseReport inspect(const SentenceEncoder& encoder, const InputPlan& plan, const InspectOptions& options) const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  EncodeArguments encode_;
  InputArguments input_;
  InspectOptions options_;
  std::vector<std::string> temperatures_;
  std::vector<std::string> states_;
  std::vector<std::string> posts_;
  std::string output_kind_;
  ReportOutput output_;
  std::string layers_;
  std::string labels_;
  std::optional<std::int64_t> label_sample_;
  std::string queries_;
  std::string query_prompt_name_;
};

}  // namespace treble::cli
