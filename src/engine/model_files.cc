#include "treble/model_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/json_file.h"
#include "models/model_location.h"
#include "models/model_parts.h"
#include "models/router.h"

namespace treble {

using namespace internal;

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 21> kModelFileNames = {"adapter_config.json",
                                                              "added_tokens.json",
                                                              "artifact.metadata",
                                                              "chat_template.jinja",
                                                              "chat_template.json",
                                                              "config.json",
                                                              "config_sentence_transformers.json",
                                                              "idf.json",
                                                              "merges.txt",
                                                              "model.safetensors.index.json",
                                                              "modules.json",
                                                              "router_config.json",
                                                              "sentencepiece.bpe.model",
                                                              "special_tokens_map.json",
                                                              "spiece.model",
                                                              "tokenizer.json",
                                                              "tokenizer.model",
                                                              "tokenizer_config.json",
                                                              "treble.json",
                                                              "vocab.json",
                                                              "vocab.txt"};
constexpr std::string_view kWeights = ".safetensors";
/// Beside the encoder's weights, but no part of them: BGE-M3's heads.
constexpr std::array<std::string_view, 2> kHeads = {"sparse_linear.safetensors", "colbert_linear.safetensors"};

bool is_encoder_weights(std::string_view name) {
  return name.ends_with(kWeights) && std::find(kHeads.begin(), kHeads.end(), name) == kHeads.end();
}

/// sentence_bert_config.json, and under the names of other transformers.
bool is_sentence_config(std::string_view name) {
  return name.starts_with("sentence_") && name.ends_with("_config.json");
}

/// The folders of modules.json, "" for the model's own. What is wrong with it is said by whoever needs the modules.
std::set<std::string> module_folders(const fs::path& folder) {
  std::set<std::string> folders = {""};
  if (!fs::exists(folder / "modules.json")) return folders;
  if (const auto router = read_router(folder)) {
    folders.insert(fs::relative(router->file.parent_path(), folder).lexically_normal().generic_string());
    for (const auto& [route, modules] : router->routes) {
      for (const RoutedModule& module : modules) folders.insert(module.path);
    }
    return folders;
  }
  for (const auto& module : parse_json_file(folder / "modules.json")) {
    if (!module.is_object()) continue;
    const auto path = module.find("path");
    if (path != module.end() && path->is_string()) folders.insert(path->get<std::string>());
  }
  return folders;
}

}  // namespace

bool is_model_file_name(std::string_view name) {
  return std::find(kModelFileNames.begin(), kModelFileNames.end(), name) != kModelFileNames.end() ||
         is_sentence_config(name) || name.ends_with(kWeights);
}

std::vector<ModelFile> model_files(const std::string& model) {
  const fs::path folder = find_model_folder(model);
  const fs::path encoder = transformer_folder(folder);
  std::map<std::string, ModelFile> files;
  for (const std::string& part : module_folders(folder)) {
    const fs::path inner = folder / part;
    std::error_code error;
    const bool holds_encoder = fs::equivalent(inner, encoder, error);
    for (const auto& entry : fs::directory_iterator(inner, error)) {
      const std::string name = entry.path().filename().string();
      if (!is_model_file_name(name) || entry.is_directory(error)) continue;
      const std::string full = (fs::path(part) / name).lexically_normal().generic_string();
      files[full] = {full, entry.path(), holds_encoder && is_encoder_weights(name)};
    }
  }
  std::vector<ModelFile> result;
  result.reserve(files.size());
  for (auto& [name, file] : files) result.push_back(std::move(file));
  return result;
}

std::vector<std::string> cached_models() { return cached_model_names(); }

std::vector<std::string> model_tasks(const std::string& model) { return find_tasks(model); }

}  // namespace treble
