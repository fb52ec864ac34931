#include "models/model_location.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "models/router.h"

namespace treble::internal {

namespace fs = std::filesystem;

namespace {

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

fs::path hub_cache() {
  if (const auto path = environment("HF_HUB_CACHE")) return *path;
  if (const auto path = environment("HUGGINGFACE_HUB_CACHE")) return *path;
  if (const auto path = environment("HF_HOME")) return fs::path(*path) / "hub";
  if (const auto path = environment("XDG_CACHE_HOME")) return fs::path(*path) / "huggingface" / "hub";
  return fs::path(environment("HOME").value_or("/")) / ".cache" / "huggingface" / "hub";
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

/// The names in a folder, sorted; none when it cannot be listed.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// models--org--name/snapshots/<the commit that refs/main names, or the only one there is>; nothing where the cache
/// holds nothing of this name.
std::optional<fs::path> cached_snapshot(const fs::path& repository) {
  if (!is_folder(repository)) return std::nullopt;
  const fs::path snapshots = repository / "snapshots";
  const auto commits = names_in(snapshots);
  std::string commit;
  if (std::ifstream ref(repository / "refs" / "main"); ref >> commit) {
    if (is_folder(snapshots / commit)) return snapshots / commit;
    fail_file(repository, ErrorCode::not_found,
              "refs/main names the snapshot {:.64}, which is not there ({}): the download was not finished; fetch the "
              "model again, or give the path of a snapshot",
              commit, commits.empty() ? "there is none" : fmt::format("there is {}", fmt::join(commits, ", ")));
  }
  if (commits.size() == 1) return snapshots / commits.front();
  if (commits.empty()) {
    fail_file(repository, ErrorCode::not_found,
              "the cache has no snapshot of this model: the download was not finished; fetch it again");
  }
  fail_file(snapshots, ErrorCode::not_found,
            "{} snapshots ({}), and no refs/main that says which one counts; give the path of one of them",
            commits.size(), fmt::join(commits, ", "));
}

fs::path cache_name(const std::string& model) {
  std::string name = "models--" + model;
  const auto slash = name.find('/');
  if (slash != std::string::npos) name.replace(slash, 1, "--");
  return name;
}

/// A name for the hub: "name" or "org/name", of the characters that the hub allows.
bool is_hub_name(const std::string& model) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' || c == '/';
  };
  return !model.empty() && model.front() != '/' && model.front() != '.' &&
         std::count(model.begin(), model.end(), '/') <= 1 && std::all_of(model.begin(), model.end(), allowed);
}

/// models--org--name itself, as it lies in the cache.
bool is_cache_repository(const fs::path& folder) {
  return is_folder(folder / "snapshots") && is_folder(folder / "blobs") && !is_there(folder / "config.json") &&
         !is_there(folder / "modules.json");
}

}  // namespace

fs::path transformer_folder(const fs::path& folder) {
  if (!is_there(folder / "modules.json")) return folder;
  const auto modules = parse_json_file(folder / "modules.json");
  if (!modules.is_array() || modules.empty() || !modules.front().is_object()) {
    fail_file(folder / "modules.json", ErrorCode::invalid_file, "expected a list of modules");
  }
  if (const auto router = read_router(folder)) {
    const auto* documents = router->find("document");
    const bool encodes = documents != nullptr && documents->front().type.ends_with("Transformer");
    return encodes ? folder / documents->front().path : folder;
  }
  const auto path = modules.front().find("path");
  if (path == modules.front().end() || !path->is_string()) return folder;
  const fs::path relative = path->get<std::string>();
  if (relative.is_absolute() || std::find(relative.begin(), relative.end(), "..") != relative.end()) {
    fail_file(folder / "modules.json", ErrorCode::invalid_file, "module path \"{}\" leaves the model's folder",
              relative.string());
  }
  return relative.empty() ? folder : folder / relative;
}

std::vector<std::string> cached_model_names() {
  constexpr std::string_view kPrefix = "models--";
  std::vector<std::string> models;
  for (const std::string& name : names_in(hub_cache())) {
    if (!name.starts_with(kPrefix)) continue;
    std::string model = name.substr(kPrefix.size());
    if (const auto place = model.find("--"); place != std::string::npos) model.replace(place, 2, "/");
    models.push_back(std::move(model));
  }
  return models;
}

fs::path find_model_folder(const std::string& model) {
  if (is_folder(model)) return is_cache_repository(model) ? cached_snapshot(model).value_or(model) : fs::path(model);
  if (model.empty())
    fail(ErrorCode::invalid_argument, "no model was named; give a folder or the name of a cached model");
  std::vector<std::string> looked_at = {model};
  if (is_hub_name(model)) {
    std::vector<std::string> names = {model};
    if (model.find('/') == std::string::npos) names.push_back("sentence-transformers/" + model);
    for (const auto& name : names) {
      const fs::path repository = hub_cache() / cache_name(name);
      if (const auto snapshot = cached_snapshot(repository)) return *snapshot;
      looked_at.push_back(repository.string());
    }
  }
  fail(ErrorCode::not_found,
       "no model \"{}\": looked at {}. Give the path of a model folder, or fetch a model by `treble pull ORG/MODEL`",
       model, fmt::join(looked_at, ", "));
}

}  // namespace treble::internal
