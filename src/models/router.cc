#include "models/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "base/json_text.h"
#include "base/mapped_file.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

/// Nothing for a class of another package.
std::string class_name(const std::string& type) {
  return type.starts_with("sentence_transformers.") ? type.substr(type.rfind('.') + 1) : std::string();
}

/// The folder of the Router that modules.json consists of; nothing where it is another chain, which is judged
/// elsewhere.
std::optional<fs::path> router_folder(const fs::path& model_folder) {
  const fs::path path = model_folder / "modules.json";
  if (!is_there(path)) return std::nullopt;
  const nlohmann::json modules = parse_json_file(path);
  if (!modules.is_array() || modules.size() != 1 || !modules.front().is_object()) return std::nullopt;
  const nlohmann::json& module = modules.front();
  if (!module.contains("type") || !module["type"].is_string()) return std::nullopt;
  const std::string name = class_name(module["type"].get<std::string>());
  if (name != "Router" && name != "Asym") return std::nullopt;
  return module.contains("path") && module["path"].is_string() ? module["path"].get<std::string>() : std::string();
}

bool leaves(const fs::path& path) {
  return path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end();
}

const nlohmann::json& object_in(const JsonObject& json, const char* key) {
  const nlohmann::json* found = json.find(key);
  if (found == nullptr || !found->is_object()) {
    fail_at(json, ErrorCode::invalid_file, "\"{}\" must be an object", key);
  }
  return *found;
}

RoutedModule read_module(const JsonObject& json, const nlohmann::json& types, const nlohmann::json& id,
                         const fs::path& folder) {
  if (!id.is_string() || !types.contains(id.get<std::string>()) || !types[id.get<std::string>()].is_string()) {
    fail_at(json, ErrorCode::invalid_file, R"("structure" names the module {:.80}, which "types" does not have)",
            id.dump());
  }
  const auto name = id.get<std::string>();
  if (leaves(name)) {
    fail_at(json, ErrorCode::invalid_file, "the module \"{}\" leaves the model's folder", for_message(name));
  }
  const auto type = types[name].get<std::string>();
  const std::string own = class_name(type);
  return {own.empty() ? type : own, (folder / name).lexically_normal().generic_string()};
}

/// Of "structure", in the file's order.
std::string first_route(const fs::path& file) {
  const MappedFile mapped(file);
  const auto* text = reinterpret_cast<const char*>(mapped.bytes().data());
  const auto json = try_parse_ordered({text, mapped.bytes().size()});
  const auto structure = json.find("structure");
  return structure == json.end() || structure->empty() ? std::string() : structure->begin().key();
}

void read_parameters(const JsonObject& json, Router& router) {
  const nlohmann::json* given = json.find("parameters");
  if (given == nullptr || !given->is_object()) {
    router.default_route = first_route(router.file);
    return;
  }
  const JsonObject parameters = JsonObject::from_value(*given, json.origin(), json.file());
  const nlohmann::json* mappings = parameters.find("route_mappings");
  if (mappings != nullptr && !mappings->empty()) {
    fail_at(json, ErrorCode::unsupported, "\"route_mappings\" is {:.120}; Treble has routes by task alone",
            mappings->dump());
  }
  router.default_route = parameters.string("default_route").value_or("");
  if (router.default_route.empty() && parameters.boolean("allow_empty_key").value_or(true)) {
    router.default_route = first_route(router.file);
  }
  if (!router.default_route.empty() && router.find(router.default_route) == nullptr) {
    fail_at(json, ErrorCode::invalid_file, R"("default_route" is "{}", which is no route)",
            for_message(router.default_route));
  }
}

}  // namespace

const std::vector<RoutedModule>* Router::find(const std::string& route) const {
  const auto found = routes.find(route);
  return found == routes.end() ? nullptr : &found->second;
}

std::string Router::describe() const {
  std::string text;
  for (const auto& [route, modules] : routes) {
    text += fmt::format("{}{}: ", text.empty() ? "" : "; ", for_message(route));
    for (std::size_t i = 0; i < modules.size(); ++i) {
      text += fmt::format("{}{}", i == 0 ? "" : ", ", for_message(modules[i].type));
    }
  }
  return text;
}

std::optional<Router> read_router(const fs::path& model_folder) {
  const auto inner = router_folder(model_folder);
  if (!inner) return std::nullopt;
  if (leaves(*inner)) {
    fail_file(model_folder / "modules.json", ErrorCode::invalid_file, "the path \"{}\" leaves the model's folder",
              for_message(inner->string()));
  }
  Router router;
  // Releases before 5 called it config.json.
  const fs::path folder = model_folder / *inner;
  router.file = is_there(folder / "router_config.json") ? folder / "router_config.json" : folder / "config.json";
  const auto json = JsonObject::from_file(router.file);
  const nlohmann::json& types = object_in(json, "types");
  for (const auto& [route, modules] : object_in(json, "structure").items()) {
    if (!modules.is_array() || modules.empty()) {
      fail_at(json, ErrorCode::invalid_file, "the route \"{}\" must be a list of modules", for_message(route));
    }
    for (const auto& id : modules) router.routes[route].push_back(read_module(json, types, id, *inner));
  }
  read_parameters(json, router);
  return router;
}

}  // namespace treble::internal
