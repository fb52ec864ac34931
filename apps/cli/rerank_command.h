// `treble rerank`: texts by their score for a query, from a cross-encoder.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "file_roles.h"
#include "model_arguments.h"
#include "treble/reranker.h"
#include "treble/whole_file.h"

namespace treble::cli {

/// A query with the texts that are scored for it.
struct RerankRequest {
  std::string query;
  std::vector<std::string> texts;
  std::vector<std::string> ids;  ///< of the texts, as JSON; "" where one has none
  bool ranked = true;            ///< false: a single pair of --pairs, which keeps its place
};

class RerankCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  /// The exit code.
  int run() const;

 private:
  bool as_json() const { return !output_.empty(); }
  void check_given() const;
  void check_output(FileRoles roles) const;
  RerankOptions resolve() const;
  std::vector<RerankRequest> read_requests() const;

  CLI::App* command_ = nullptr;
  ModelArguments model_;
  EncodeArguments encode_;
  InputArguments input_;
  std::optional<std::string> query_;
  std::string pairs_;
  std::string temperature_ = "1";
  std::string output_;
  std::optional<std::int64_t> top_;
  bool raw_scores_ = false;
  bool force_ = false;
  bool quiet_ = false;
};

}  // namespace treble::cli
