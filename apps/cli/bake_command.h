// `treble bake`: a temperature into the weights of a model folder or of an ONNX file.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "treble/bake.h"

namespace treble::cli {

class BakeCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  int run() const;

 private:
  int bake_folder(const Temperature& temperature) const;
  int bake_onnx(const Temperature& temperature) const;

  CLI::App* command_ = nullptr;
  std::string model_;
  std::string output_;
  std::string temperature_;
  std::string dtype_ = "keep";
  std::vector<std::string> onnx_;
  BakeOptions options_;
};

/// The summary of a bake, for people.
std::string bake_summary(const std::string& output, const BakeReport& report);

}  // namespace treble::cli
