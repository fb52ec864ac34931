// treble reference: the manual page and the shells' completions, for packagers. Not listed by --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace treble::cli {

class ReferenceCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  /// `app` is the whole program, which it describes.
  int run(CLI::App& app) const;

 private:
  CLI::App* command_ = nullptr;
  std::string form_;
};

}  // namespace treble::cli
