// `treble fit`: a transform of vectors, or the ranges of their dimensions, from unlabelled texts.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "input/input_plan.h"
#include "model_arguments.h"
#include "treble/bulk.h"
#include "treble/post_transform.h"

namespace treble::cli {

class FitCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  int run() const;

 private:
  bool of_ranges() const { return transform_ == "ranges"; }
  PostSpec resolve_step() const;
  BulkOptions resolve() const;
  void check_output(const InputPlan& plan) const;
  Existing existing() const { return force_ ? Existing::replace : Existing::refuse; }
  void fit_step(const BulkJob& job, const PostProvenance& provenance, TextSource& source) const;
  void fit_ranges(const BulkJob& job, TextSource& source) const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  EncodeArguments encode_;
  InputArguments input_;
  std::string transform_;
  std::string temperature_ = "1";
  std::string state_ = "none";
  std::string post_;
  std::string output_;
  bool force_ = false;
};

}  // namespace treble::cli
