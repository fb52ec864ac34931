// model.safetensors.index.json: which file of several holds which tensor.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace treble::internal {

/// Tensor name → shard, a path relative to the folder of the index. Throws Error{invalid_file} naming `origin`: not
/// JSON, no "weight_map", a tensor twice, a shard that is not a string or whose path leaves the folder.
std::map<std::string, std::string> parse_shard_index(std::string_view text, const std::string& origin);

}  // namespace treble::internal
