// `treble pull`: a model from the Hugging Face Hub into the local cache.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace treble::cli {

class PullCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  /// Runs pull.py; its exit code.
  int run() const;

 private:
  CLI::App* command_ = nullptr;
  std::string model_;
  bool quiet_ = false;
};

}  // namespace treble::cli
