#include "models/prepared_layers.h"

#include <cstddef>

#include "base/fail.h"
#include "base/fail_about.h"

namespace treble::internal {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kCodes = ".codes";
constexpr const char* kWayOut = "it is made anew when it is deleted";

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace

std::optional<PreparedLayers> PreparedLayers::open(const fs::path& file, const std::string& key) {
  std::error_code error;
  if (!fs::exists(file, error)) return std::nullopt;
  try {
    PreparedLayers layers(file, TensorArchive::open_file(file));
    const auto& metadata = layers.archive_.metadata();
    const auto found = metadata.find("key");
    if (found == metadata.end() || found->second != key) {
      fail_file(file.string(), ErrorCode::invalid_file, "the \"key\" of its metadata is not that of this model");
    }
    layers.add_layers();
    return layers;
  } catch (const Error& fault) {
    throw Error(ErrorCode::invalid_file, fmt::format("{} (a file of ModelOptions::cache: {})", fault.what(), kWayOut),
                {.file = file.string()});
  }
}

void PreparedLayers::add_layers() {
  for (const auto& [name, tensor] : archive_.tensors()) {
    if (!name.ends_with(kCodes)) continue;
    const std::string layer = name.substr(0, name.size() - kCodes.size());
    if (tensor.dtype != DType::kI8 || tensor.shape.size() != 2) {
      fail_file(file_.string(), ErrorCode::invalid_file, "tensor {} is {} of {} dimensions, not I8 of 2", name,
                dtype_name(tensor.dtype), tensor.shape.size());
    }
    const std::int64_t out = tensor.shape[0];
    layers_[layer] = {.in = tensor.shape[1],
                      .out = out,
                      .codes = {reinterpret_cast<const std::int8_t*>(tensor.bytes.data()), tensor.bytes.size()},
                      .scale = numbers(layer + ".scale", out),
                      .offset = numbers(layer + ".offset", out),
                      .sum = numbers(layer + ".sum", out),
                      .bias = numbers(layer + ".bias", out)};
  }
}

std::span<const float> PreparedLayers::numbers(const std::string& name, std::int64_t out) {
  const StoredTensor* tensor = archive_.find(name);
  if (tensor == nullptr || tensor->dtype != DType::kF32 || tensor->shape != std::vector<std::int64_t>{out}) {
    fail_file(file_.string(), ErrorCode::invalid_file, "tensor {} must be F32 [{}]{}", name, out,
              tensor == nullptr ? ", and is not there" : "");
  }
  std::vector<float>& values = numbers_[name];
  values.resize(static_cast<std::size_t>(out));
  copy_as_float(*tensor, name, values);
  return values;
}

void PreparedLayers::write(const fs::path& file, const std::string& key, std::span<const Int8Layer> layers) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) {
    fail(ErrorCode::io, "ModelOptions::cache: the folder {} cannot be made: {}", file.parent_path().string(),
         error.message());
  }
  std::vector<TensorToWrite> tensors;
  tensors.reserve(5 * layers.size());
  const auto add = [&](std::string name, const std::vector<float>& values) {
    tensors.push_back({std::move(name), DType::kF32, {std::ssize(values)}, bytes_of(values)});
  };
  for (const Int8Layer& layer : layers) {
    add(layer.name + ".scale", layer.scale);
    add(layer.name + ".offset", layer.offset);
    add(layer.name + ".sum", layer.sum);
    add(layer.name + ".bias", layer.bias);
  }
  for (const Int8Layer& layer : layers) {
    tensors.push_back({layer.name + std::string(kCodes), DType::kI8, {layer.out, layer.in}, bytes_of(layer.codes)});
  }
  write_safetensors(file, tensors, {{"key", key}});
}

const Int8LayerView& PreparedLayers::find(const std::string& name, std::int64_t out, std::int64_t in) const {
  const auto found = layers_.find(name);
  if (found == layers_.end() || found->second.out != out || found->second.in != in) {
    const std::string shape =
        found == layers_.end() ? "is not there" : fmt::format("is [{}, {}]", found->second.out, found->second.in);
    fail_file(file_.string(), ErrorCode::invalid_file, "the layer {} {}, the model's is [{}, {}]; {}", name, shape, out,
              in, kWayOut);
  }
  return found->second;
}

}  // namespace treble::internal
