// `treble convert`: weights of other formats made into a folder that Treble reads.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace treble::cli {

class ConvertCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  /// Runs the package convert; its exit code.
  int run() const;

 private:
  CLI::App* command_ = nullptr;
  std::string source_;
  std::string output_;
  std::string pooling_;
  std::string tokenizer_;
  bool in_place_ = false;
  bool force_ = false;
};

}  // namespace treble::cli
