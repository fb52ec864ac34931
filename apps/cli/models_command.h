// `treble models`: which models of this machine run, and why others do not.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace treble::cli {

/// What loading a model showed.
struct ModelVerdict {
  std::string model;  ///< as it can be given to --model
  std::string kind;   ///< "384-dimensional vectors", "1 score a pair"; empty: it does not run
  std::string model_type;
  std::int64_t parameters = 0;
  std::int64_t active_parameters = 0;  ///< that a token goes through
  std::int64_t experts = 0;            ///< of a layer with a mixture of experts; 0: none
  std::int64_t active_experts = 0;     ///< that a token goes through
  std::int64_t max_length = 0;         ///< tokens
  bool tempered = false;               ///< a temperature acts on it
  bool states = false;                 ///< control of states does
  std::vector<std::string> warnings;
  std::string error;       ///< empty: it runs
  std::string error_code;  ///< "unsupported", …
};

class ModelsCommand {
 public:
  void add_to(CLI::App& app);
  bool chosen() const { return command_->parsed(); }
  /// The exit code.
  int run() const;

 private:
  CLI::App* command_ = nullptr;
  std::vector<std::string> given_;
  bool json_ = false;
};

/// The models that `given` stands for: a model's folder or name itself, for a folder of others the models in it.
std::vector<std::string> models_of(const std::string& given);

std::string models_table(const std::vector<ModelVerdict>& verdicts);
std::string models_json(const std::vector<ModelVerdict>& verdicts);

}  // namespace treble::cli
