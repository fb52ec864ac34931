// `treble calibrate`: a temperature profile for a model, or norms of its states, from unlabelled texts.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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
  void check_mode() const;
  Existing check_output(const InputPlan& plan) const;
  void make_profile(const SentenceEncoder& encoder, const std::vector<std::string_view>& texts,
                    Existing existing) const;
  void make_state_norms(const SentenceEncoder& encoder, const std::vector<std::string_view>& texts,
                        Existing existing) const;
  void write(const std::string& json, const std::string& table, const std::string& remarks, Existing existing) const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  InputArguments input_;
  CalibrateOptions options_;
  std::string match_ = "entropy";
  bool state_norms_ = false;
  std::optional<std::int64_t> training_length_;
  std::optional<std::int64_t> sample_;
  std::string output_;
  bool force_ = false;
};

}  // namespace treble::cli
