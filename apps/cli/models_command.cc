#include "models_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "json.h"
#include "model_outputs.h"
#include "progress.h"
#include "standard_streams.h"
#include "treble/error.h"
#include "treble/model_files.h"
#include "treble/reranker.h"
#include "treble/sentence_encoder.h"

namespace treble::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kModelsExamples =
    R"(Each model is loaded once, as it would be for use, so that what is said of it holds: reading a large one takes its time and memory.
Without names: those of the Hugging Face cache and of the folder models/ here.

Examples:
  treble models
  treble models ~/.cache/huggingface/hub/models--BAAI--bge-m3 my-finetunes/
  treble models --json | jq '.[] | select(.runs | not)')";

/// Where people keep models beside the cache.
constexpr const char* kFolder = "models";

bool is_model_folder(const fs::path& folder) {
  std::error_code error;
  const auto has = [&](const char* name) { return fs::exists(folder / name, error); };
  return has("config.json") || has("modules.json") || has("adapter_config.json") || has("snapshots");
}

std::vector<std::string> models_here() {
  std::vector<std::string> models = cached_models();
  std::error_code error;
  if (fs::is_directory(kFolder, error)) {
    for (std::string& model : models_of(kFolder)) models.push_back(std::move(model));
  }
  return models;
}

void describe(const ModelInfo& info, ModelVerdict& verdict) {
  verdict.model_type = info.model_type;
  verdict.parameters = info.num_parameters;
  verdict.active_parameters = info.active_parameters;
  verdict.experts = info.num_experts;
  verdict.active_experts = info.active_experts;
  verdict.max_length = info.max_length;
  verdict.tempered = info.tempered_layers > 0;
  verdict.states = info.state_layers > 0;
  verdict.warnings = info.warnings;
}

ModelVerdict judge(const std::string& model) {
  ModelVerdict verdict;
  verdict.model = model;
  ModelOptions options;
  options.model = model;
  try {
    if (is_cross_encoder(model)) {
      const Reranker reranker = Reranker::load(options);
      describe(reranker.info(), verdict);
      verdict.kind = counted(reranker.info().dim, "score") + " a pair";
    } else {
      const SentenceEncoder encoder = SentenceEncoder::load(options);
      describe(encoder.info(), verdict);
      verdict.kind = outputs_text(encoder.info());
    }
  } catch (const Error& error) {
    verdict.error = error.what();
    verdict.error_code = mapping(error.code()).name;
  }
  return verdict;
}

/// "475,292,928 parameters, of which a token goes through 305,423,616 (2 of 8 experts)"
std::string parameters_text(const ModelVerdict& verdict) {
  std::string all = grouped(verdict.parameters) + " parameters";
  if (verdict.experts == 0) return all;
  return fmt::format("{}, of which a token goes through {} ({} of {} experts)", all, grouped(verdict.active_parameters),
                     verdict.active_experts, verdict.experts);
}

const char* levers(const ModelVerdict& verdict) {
  return verdict.tempered ? "temperature" : verdict.states ? "state" : "none";
}

}  // namespace

std::vector<std::string> models_of(const std::string& given) {
  std::error_code error;
  if (!fs::is_directory(given, error) || is_model_folder(given)) return {given};
  std::vector<std::string> models;
  for (const auto& entry : fs::directory_iterator(given, error)) {
    if (entry.is_directory(error) && is_model_folder(entry.path())) models.push_back(entry.path().string());
  }
  std::sort(models.begin(), models.end());
  return models.empty() ? std::vector<std::string>{given} : models;
}

std::string models_table(const std::vector<ModelVerdict>& verdicts) {
  std::string out;
  for (const ModelVerdict& verdict : verdicts) {
    out += fmt::format("{:<4} {}\n", verdict.error.empty() ? "runs" : "no", verdict.model);
    if (verdict.error.empty()) {
      out += fmt::format("       {}; {}, {}, texts of up to {} tokens; lever: {}\n", verdict.kind, verdict.model_type,
                         parameters_text(verdict), grouped(verdict.max_length), levers(verdict));
    } else {
      out += fmt::format("       {}\n", verdict.error);
    }
    for (const std::string& warning : verdict.warnings) out += fmt::format("       warning: {}\n", warning);
  }
  const auto runs = std::count_if(verdicts.begin(), verdicts.end(), [](const auto& v) { return v.error.empty(); });
  return out + fmt::format("{} of {} {}\n", runs, counted(static_cast<std::int64_t>(verdicts.size()), "model"),
                           verdicts.size() == 1 ? "runs" : "run");
}

std::string models_json(const std::vector<ModelVerdict>& verdicts) {
  Json list = Json::array();
  for (const ModelVerdict& verdict : verdicts) {
    Json one = {{"model", verdict.model}, {"runs", verdict.error.empty()}};
    if (verdict.error.empty()) {
      one.update({{"kind", verdict.kind},
                  {"model_type", verdict.model_type},
                  {"num_parameters", verdict.parameters},
                  {"active_parameters", verdict.active_parameters},
                  {"num_experts", verdict.experts},
                  {"active_experts", verdict.active_experts},
                  {"max_length", verdict.max_length},
                  {"lever", levers(verdict)},
                  {"warnings", verdict.warnings}});
    } else {
      one.update({{"error", verdict.error}, {"error_code", verdict.error_code}});
    }
    list.push_back(std::move(one));
  }
  return dump(list, 2) + "\n";
}

void ModelsCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("models", "Say of each model whether it runs, what of its files is ignored, and why");
  command_->add_option("MODEL", given_, "Folders, names in the Hugging Face cache, or folders of models");
  command_->add_flag("--json", json_, "As JSON");
  command_->footer(kModelsExamples);
}

int ModelsCommand::run() const {
  std::vector<std::string> models;
  for (const std::string& given : given_) {
    for (std::string& model : models_of(given)) models.push_back(std::move(model));
  }
  if (given_.empty()) models = models_here();
  if (models.empty()) {
    throw Error(ErrorCode::not_found, fmt::format("no models in the Hugging Face cache nor in {}/; fetch one by "
                                                  "`treble pull ORG/MODEL`, or name a folder",
                                                  kFolder));
  }
  WorkProgress progress;
  std::vector<ModelVerdict> verdicts;
  for (const std::string& model : models) {
    progress.update({"loading", static_cast<std::int64_t>(verdicts.size()), static_cast<std::int64_t>(models.size())});
    verdicts.push_back(judge(model));
  }
  progress.clear();
  print_out(json_ ? models_json(verdicts) : models_table(verdicts));
  return 0;
}

}  // namespace treble::cli
