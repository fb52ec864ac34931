// `treble passkey`: what a model with states still knows of a long prompt.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "model_arguments.h"
#include "report_output.h"
#include "treble/passkey.h"

namespace treble::cli {

class PasskeyCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  int run() const;

 private:
  void add_prompt_options();
  void check_options() const;
  void find_passkeys(const SentenceEncoder& encoder, const std::vector<StateControl>& controls) const;
  void measure_perplexity(const SentenceEncoder& encoder, const std::vector<StateControl>& controls) const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  PasskeyOptions options_;
  std::vector<std::string> states_;
  std::string perplexity_;
  std::int64_t tokens_ = PerplexityOptions{}.tokens;
  ReportOutput output_;
};

}  // namespace treble::cli
