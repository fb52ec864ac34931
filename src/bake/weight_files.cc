#include "bake/weight_files.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "bake/file_ops.h"
#include "base/fail_about.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using ChangesByName = std::map<std::string_view, const TensorChange*>;

ChangesByName by_name(const WeightFiles& weights) {
  ChangesByName changes;
  for (const TensorChange& change : weights.changes) {
    if (weights.archive.find(change.name) == nullptr) {
      fail_file(weights.from, ErrorCode::invalid_file, "the weights lack the tensor {}", change.name);
    }
    changes.emplace(change.name, &change);
  }
  return changes;
}

/// Whether an adapter brought the tensor, so that no file of the model has it; the first takes it.
bool is_new(const TensorArchive& archive, const StoredTensor& tensor) {
  return std::none_of(archive.files().begin(), archive.files().end(),
                      [&](const fs::path& file) { return file.string() == tensor.file; });
}

/// The tensors of one file in the order in which they lie there.
std::vector<std::pair<std::string_view, const StoredTensor*>> tensors_of(const TensorArchive& archive,
                                                                         const fs::path& file) {
  std::vector<std::pair<std::string_view, const StoredTensor*>> tensors;
  for (const auto& [name, tensor] : archive.tensors()) {
    const bool first = file == archive.files().front();
    if (tensor.file == file.string() || (first && is_new(archive, tensor))) tensors.emplace_back(name, &tensor);
  }
  // Empty tensors may share an address.
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->bytes.data(), a.first) < std::pair(b.second->bytes.data(), b.first);
  });
  return tensors;
}

/// Writes one file; returns the bytes of its tensors.
std::uint64_t write_file(const WeightFiles& weights, const ChangesByName& changes, const fs::path& file,
                         Rounding& rounding) {
  std::vector<TensorToWrite> tensors;
  std::vector<std::vector<std::byte>> owned;
  std::uint64_t size = 0;
  for (const auto& [name, tensor] : tensors_of(weights.archive, file)) {
    const bool widen = weights.dtype == BakedDType::float32 && is_widened_to_float32(tensor->dtype);
    const DType dtype = widen ? DType::kF32 : tensor->dtype;
    const auto change = changes.find(name);
    std::span<const std::byte> bytes = tensor->bytes;
    if (tensor->revision != nullptr) {
      const TensorChange none{.name = std::string(name), .shape = tensor->shape, .rows = {}};
      bytes =
          owned.emplace_back(merge_tensor(*tensor, change == changes.end() ? none : *change->second, dtype, rounding));
    } else if (change != changes.end()) {
      bytes = owned.emplace_back(scale_tensor(*tensor, *change->second, dtype, rounding));
    } else if (widen) {
      bytes = owned.emplace_back(to_float32(*tensor));
    }
    size += bytes.size();
    tensors.push_back({std::string(name), dtype, tensor->shape, bytes});
  }
  auto metadata = TensorArchive::open_file(file).metadata();
  if (!weights.temperature.empty()) metadata["baked_temperature"] = weights.temperature;
  const fs::path target = weights.to / file.lexically_relative(weights.from);
  fs::create_directories(target.parent_path());
  write_safetensors(target, tensors, metadata);
  return size;
}

/// transformers loads weights in the type that config.json states, so it must not go on stating the old one.
void state_float32(const fs::path& config) {
  Json json = read_ordered_json(config);
  bool changed = false;
  for (const char* key : {"torch_dtype", "dtype"}) {
    const auto stated = json.find(key);
    if (stated == json.end() || !stated->is_string() || *stated == "float32") continue;
    *stated = "float32";
    changed = true;
  }
  if (changed) write_json(config, json);
}

void write_index(const WeightFiles& weights, std::uint64_t size) {
  const fs::path from = weights.from / kShardIndex;
  const fs::path to = weights.to / kShardIndex;
  Json json = read_ordered_json(from);
  const TensorArchive& archive = weights.archive;
  bool changed = weights.dtype != BakedDType::keep;
  for (const auto& [name, tensor] : archive.tensors()) {
    if (!is_new(archive, tensor)) continue;
    json["weight_map"][name] = archive.files().front().lexically_relative(weights.from).generic_string();
    changed = true;
  }
  if (!changed) return carry_file(from, to);
  json["metadata"]["total_size"] = size;
  write_json(to, json);
}

}  // namespace

bool is_sharded(const TensorArchive& archive) {
  return archive.files().size() != 1 || archive.files().front().filename() != "model.safetensors";
}

std::vector<fs::path> write_weights(const WeightFiles& weights, Rounding& rounding) {
  const ChangesByName changes = by_name(weights);
  std::vector<fs::path> files;
  std::uint64_t size = 0;
  for (const fs::path& file : weights.archive.files()) {
    weights.before_file();
    size += write_file(weights, changes, file, rounding);
    files.push_back(weights.to / file.lexically_relative(weights.from));
  }
  if (is_sharded(weights.archive)) write_index(weights, size);
  if (weights.dtype == BakedDType::float32) state_float32(weights.to / "config.json");
  return files;
}

}  // namespace treble::internal
