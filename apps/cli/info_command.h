// `treble info`: what a model is.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "model_arguments.h"

namespace treble::cli {

class InfoCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  int run() const;

 private:
  CLI::App* command_ = nullptr;
  ModelArguments model_;
  bool json_ = false;
};

/// Forms of ModelInfo for people and machines.
std::string info_table(const ModelInfo& info, const std::string& weights_sha256);
std::string info_json(const ModelInfo& info, const std::string& weights_sha256);

}  // namespace treble::cli
