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

/// What a model is, for people and machines; `reranker` is what `encoder` belongs to, or nullptr.
std::string info_table(const SentenceEncoder& encoder, const Reranker* reranker);
std::string info_json(const SentenceEncoder& encoder, const Reranker* reranker);

}  // namespace treble::cli
