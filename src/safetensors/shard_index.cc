#include "safetensors/shard_index.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/fail.h"
#include "base/json_file.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

using Json = nlohmann::json;

/// nlohmann keeps the last of two equal keys in silence, so the keys of "weight_map" are looked at while they are read.
void refuse_repeated_tensors(std::string_view text, const std::string& origin) {
  std::set<std::string, std::less<>> seen;
  int maps = 0;
  bool in_map = false;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (event != Json::parse_event_t::key) return true;
    const auto& key = value.get_ref<const std::string&>();
    if (depth == 1) {
      in_map = key == "weight_map";
      if (in_map && ++maps == 2) fail(ErrorCode::invalid_file, "{}: \"weight_map\" appears twice", origin);
    } else if (depth == 2 && in_map && !seen.insert(key).second) {
      fail(ErrorCode::invalid_file, R"({}: tensor "{}" appears twice in "weight_map")", origin, for_message(key));
    }
    return true;
  };
  [[maybe_unused]] const Json tree = Json::parse(text.begin(), text.end(), watch);
}

/// Only the text of the path is judged: shards of the Hugging Face cache are links to files elsewhere, and that is
/// fine.
void check_shard_path(const std::string& origin, const std::string& tensor, const std::string& shard) {
  const std::filesystem::path path(shard);
  const bool leaves = std::find(path.begin(), path.end(), "..") != path.end();
  if (shard.empty() || shard.find('\0') != std::string::npos || path.is_absolute() || leaves || !path.has_filename()) {
    fail(ErrorCode::invalid_file, R"({}: tensor "{}": the shard "{}" is not a file inside the model's folder)", origin,
         for_message(tensor), for_message(shard));
  }
}

}  // namespace

std::map<std::string, std::string> parse_shard_index(std::string_view text, const std::string& origin) {
  const JsonObject index = JsonObject::from_text(text, origin);
  refuse_repeated_tensors(text, origin);
  const auto found = index.value().find("weight_map");
  if (found == index.value().end() || !found->is_object() || found->empty()) {
    fail(ErrorCode::invalid_file, "{}: \"weight_map\" must be an object that maps tensors to files", origin);
  }
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : found->items()) {
    if (!shard.is_string()) {
      fail(ErrorCode::invalid_file, "{}: tensor \"{}\": the shard must be a string, found {}", origin,
           for_message(tensor), shard.type_name());
    }
    check_shard_path(origin, tensor, shard.get_ref<const std::string&>());
    shards.emplace(tensor, shard.get<std::string>());
  }
  return shards;
}

}  // namespace treble::internal
