#include "pull_command.h"

#include <vector>

#include "python_script.h"

namespace treble::cli {

namespace {

constexpr const char* kExamples = R"help(Examples:
  treble pull BAAI/bge-small-en-v1.5
  treble embed --model BAAI/bge-small-en-v1.5 corpus.jsonl -o corpus.npy
  treble info --model "$(treble pull BAAI/bge-small-en-v1.5@main)"

Only the files that are read are fetched, by the Python package huggingface_hub into its ordinary cache: HF_ENDPOINT,
HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they always do. The folder is written to standard output.)help";

}  // namespace

void PullCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("pull", "Bring a model from the Hugging Face Hub into the local cache");
  command_->add_option("model", model_, "ORG/MODEL, or ORG/MODEL@REVISION for a branch, tag or commit")
      ->required()
      ->type_name("MODEL");
  command_->add_flag("--quiet", quiet_, "No progress bars");
  command_->footer(kExamples);
}

int PullCommand::run() const {
  std::vector<std::string> arguments;
  if (quiet_) arguments.emplace_back("--quiet");
  arguments.insert(arguments.end(), {"--", model_});
  return run_python_script({"pull.py", {"huggingface_hub"}, arguments});
}

}  // namespace treble::cli
