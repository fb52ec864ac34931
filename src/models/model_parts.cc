#include "models/model_parts.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "adapters/peft_config.h"
#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "base/sha256.h"
#include "models/model_location.h"
#include "models/static_embedding.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

constexpr const char* kTaskFolder = "adapters";

bool has_tokenizer(const fs::path& folder) {
  constexpr std::array kFiles = {"tokenizer.json", "tokenizer_config.json",   "vocab.txt",
                                 "vocab.json",     "sentencepiece.bpe.model", "spiece.model"};
  return std::any_of(kFiles.begin(), kFiles.end(), [&](const char* name) { return is_there(folder / name); });
}

/// The adapter that lies where transformers looks for one; empty: none.
fs::path adapter_inside(const fs::path& folder, const fs::path& transformer) {
  for (const fs::path& place : {transformer, folder}) {
    if (is_there(place / kPeftConfigFile)) return place;
    for (const char* weights : {kPeftWeightsFile, "adapter_model.bin"}) {
      if (!is_there(place / weights)) continue;
      fail_file(place, ErrorCode::invalid_file,
                "{} is there without {}, which says how it is put onto the weights; fetch the adapter again", weights,
                kPeftConfigFile);
    }
  }
  return {};
}

/// The folder of the model that an adapter without weights beside it belongs to.
fs::path find_base(const fs::path& adapter) {
  const std::string name = read_base_model(adapter);
  fs::path base;
  try {
    base = find_model_folder(name);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    fail_file(
        adapter, ErrorCode::not_found,
        "an adapter without its base model {:.200}, which is not on this machine ({:.400}). Or name the base model as "
        "the model, and this folder as ModelOptions::adapter",
        name, error.what());
  }
  if (is_there(transformer_folder(base) / kPeftConfigFile)) {
    fail_file(adapter, ErrorCode::unsupported,
              "its base model {} is an adapter too; let PEFT merge the first: "
              "PeftModel.from_pretrained(…).merge_and_unload().save_pretrained(…)",
              base.string());
  }
  return base;
}

/// Takes the weights, and what else the adapter's folder lacks, from the base model.
void take_base(const fs::path& adapter, ModelParts& parts) {
  const fs::path base = find_base(adapter);
  parts.weights = transformer_folder(base);
  const bool has_modules = is_there(parts.folder / "modules.json");
  if (!has_modules && !has_tokenizer(parts.transformer)) {
    parts.folder = base;
    parts.transformer = parts.weights;
  } else if (!has_modules && is_there(base / "modules.json")) {
    parts.warnings.push_back(fmt::format(
        "{}: has a tokenizer but no modules.json, so the modules of its base model {} are not used, as in "
        "sentence-transformers; name the base model as the model and this folder as the adapter to use them",
        adapter.string(), base.string()));
  }
}

/// adapters/TASK of the model's folder or its transformer's.
std::vector<std::string> task_folders(const fs::path& folder) {
  std::vector<std::string> tasks;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder / kTaskFolder, error)) {
    if (is_there(entry.path() / kPeftConfigFile)) tasks.push_back(entry.path().filename().string());
  }
  std::sort(tasks.begin(), tasks.end());
  return tasks;
}

std::vector<std::string> tasks_of_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  return is_there(path) ? tasks_in_weights(JsonObject::from_file(path)) : std::vector<std::string>();
}

struct Tasks {
  std::vector<std::string> names;
  fs::path place;  ///< of their folders; empty: they are in the weights
};

Tasks tasks_of(const ModelParts& parts) {
  for (const fs::path& place : {parts.transformer, parts.folder}) {
    if (auto names = task_folders(place); !names.empty()) return {std::move(names), place};
  }
  return {tasks_of_config(parts.weights), {}};
}

void choose_task(const AdapterChoice& choice, ModelParts& parts) {
  auto [names, place] = tasks_of(parts);
  parts.tasks = std::move(names);
  if (parts.tasks.empty()) {
    if (choice.task.empty()) return;
    fail_file(parts.folder, ErrorCode::invalid_argument,
              "ModelOptions::task is \"{:.60}\", but the model has no adapters for tasks; leave it out", choice.task);
  }
  if (choice.task == kNoTask || (choice.task.empty() && !choice.adapter.empty())) {
    parts.task = kNoTask;
    return;
  }
  const bool known = std::find(parts.tasks.begin(), parts.tasks.end(), choice.task) != parts.tasks.end();
  if (!known) {
    fail_file(
        parts.folder, ErrorCode::invalid_argument,
        "the model has an adapter for each of the tasks {}, {}; name one with ModelOptions::task, or \"{}\" for the "
        "weights without any",
        fmt::join(parts.tasks, ", "),
        choice.task.empty() ? "and none was chosen" : fmt::format("none for \"{:.60}\"", choice.task), kNoTask);
  }
  parts.task = choice.task;
  if (!place.empty()) {
    parts.adapter.folder = place / kTaskFolder / choice.task;
  } else {
    parts.adapter.task = choice.task;
  }
}

/// What is said where an adapter names another model than the one it is put onto; names prove nothing, so it is no
/// error.
void compare_base(const std::string& model, ModelParts& parts) {
  const auto json = JsonObject::from_file(parts.adapter.folder / kPeftConfigFile);
  const std::string trained_on = json.string("base_model_name_or_path").value_or("");
  const auto last_part = [](const std::string& name) {
    const fs::path path = fs::path(name).lexically_normal();
    return (path.has_filename() ? path : path.parent_path()).filename().string();
  };
  if (trained_on.empty() || last_part(trained_on) == last_part(model) ||
      last_part(trained_on) == last_part(fs::weakly_canonical(parts.folder).string())) {
    return;
  }
  parts.warnings.push_back(
      fmt::format("{}: says that it was trained on {:.200}, it is put onto {:.200}", json.origin(), trained_on, model));
}

}  // namespace

ModelParts find_model_parts(const std::string& model, const AdapterChoice& choice) {
  ModelParts parts;
  parts.folder = find_model_folder(model);
  parts.transformer = parts.weights = transformer_folder(parts.folder);
  parts.is_static = is_static_embedding(parts.folder);
  if (parts.is_static) {
    if (choice.adapter.empty() && choice.task.empty()) return parts;
    fail_file(parts.folder, ErrorCode::unsupported,
              "a StaticEmbedding has no layers that an adapter or a task could change; leave {} out",
              choice.task.empty() ? "ModelOptions::adapter" : "ModelOptions::task");
  }
  const fs::path inside = adapter_inside(parts.folder, parts.transformer);
  if (!inside.empty() && !choice.adapter.empty()) {
    fail_file(
        inside, ErrorCode::invalid_argument,
        "the model's folder holds an adapter itself, so ModelOptions::adapter {:.200} would be a second one; bake the "
        "first into a folder of its own",
        choice.adapter);
  }
  if (!inside.empty() && !TensorArchive::is_in(parts.transformer)) take_base(inside, parts);
  choose_task(choice, parts);
  const bool own_adapter = !inside.empty() || !choice.adapter.empty();
  if (own_adapter && parts.has_adapter()) {
    fail_file(parts.folder, ErrorCode::invalid_argument,
              "the task {} and an adapter cannot be merged both; choose one of them", parts.task);
  }
  if (!inside.empty()) parts.adapter.folder = inside;
  if (!choice.adapter.empty()) {
    parts.adapter.folder = find_model_folder(choice.adapter);
    if (!is_there(parts.adapter.folder / kPeftConfigFile)) {
      fail_file(parts.adapter.folder, ErrorCode::not_found, "no {}; the folder of a PEFT adapter has one",
                kPeftConfigFile);
    }
    compare_base(model, parts);
  }
  return parts;
}

std::vector<std::string> find_tasks(const std::string& model) {
  ModelParts parts;
  parts.folder = find_model_folder(model);
  parts.transformer = parts.weights = transformer_folder(parts.folder);
  return tasks_of(parts).names;
}

std::string adapter_identity(const ModelParts& parts) {
  std::string identity;
  if (!parts.adapter.folder.empty()) {
    for (const char* name : {kPeftConfigFile, kPeftWeightsFile}) {
      const fs::path file = parts.adapter.folder / name;
      identity += fmt::format("{} {}\n", sha256_of_files({&file, 1}), name);
    }
  }
  if (!parts.adapter.task.empty()) identity += fmt::format("task {}\n", parts.adapter.task);
  return identity;
}

}  // namespace treble::internal
