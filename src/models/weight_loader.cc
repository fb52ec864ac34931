#include "models/weight_loader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/fail_about.h"

namespace treble::internal {

namespace {

/// The first that is not empty.
const std::string& first_of(std::initializer_list<const std::string*> stems) {
  return **std::find_if(stems.begin(), std::prev(stems.end()), [](const std::string* stem) { return !stem->empty(); });
}

/// A tensor by which a naming scheme is recognised: of the feed-forward network of layer 0, or of its only projection.
std::string signature_tensor(const WeightNames& names) {
  return fmt::format(fmt::runtime(first_of({&names.gate_up, &names.gate, &names.up, &names.state_input})), 0) +
         ".weight";
}

}  // namespace

FoundNames find_names(const TensorArchive& archive, const std::vector<WeightNames>& forms, const std::string& folder) {
  std::vector<std::string> looked_for;
  for (const WeightNames& names : forms) {
    std::vector<std::string> prefixes = {""};
    prefixes.insert(prefixes.end(), names.prefixes.begin(), names.prefixes.end());
    for (const std::string& prefix : prefixes) {
      const std::string words = prefix + names.word_embeddings + ".weight";
      looked_for.push_back(words);
      if (archive.find(words) == nullptr) continue;
      if (forms.size() > 1 && archive.find(prefix + signature_tensor(names)) == nullptr) continue;
      return {names, prefix};
    }
  }
  fail_file(folder, ErrorCode::invalid_file,
            "the weights hold none of the tensors {} that config.json lets expect; the two may belong to different "
            "models",
            fmt::join(looked_for, ", "));
}

std::int64_t count_layers(const TensorArchive& archive, const FoundNames& found) {
  const WeightNames& names = found.names;
  const std::string pattern = found.prefix + first_of({&names.qkv, &names.query, &names.state_input}) + ".weight";
  const std::size_t hole = pattern.find("{}");
  const std::string_view head = std::string_view(pattern).substr(0, hole);
  const std::string_view tail = std::string_view(pattern).substr(hole + 2);
  std::int64_t layers = 0;
  for (const auto& [name, tensor] : archive.tensors()) {
    if (name.size() <= head.size() + tail.size() || !name.starts_with(head) || !name.ends_with(tail)) continue;
    const char* const begin = name.data() + head.size();
    const char* const end = name.data() + name.size() - tail.size();
    std::int64_t layer = 0;
    const auto [stop, error] = std::from_chars(begin, end, layer);
    if (error == std::errc() && stop == end && layer >= 0) layers = std::max(layers, layer + 1);
  }
  return layers;
}

WeightLoader::WeightLoader(const TensorArchive& archive, std::string prefix, std::string folder)
    : archive_(archive), prefix_(std::move(prefix)), folder_(std::move(folder)) {}

const StoredTensor* WeightLoader::find(const std::string& name) const { return archive_.find(prefix_ + name); }

const StoredTensor& WeightLoader::require(const std::string& name, const std::vector<std::int64_t>& expected) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) fail_file(folder_, ErrorCode::invalid_file, "the weights lack the tensor {}{}", prefix_, name);
  if (tensor->shape != expected) {
    fail_file(tensor->file, ErrorCode::invalid_file, "tensor {}{} is [{}], config.json asks for [{}]", prefix_, name,
              fmt::join(tensor->shape, ", "), fmt::join(expected, ", "));
  }
  const std::scoped_lock lock(read_mutex_);
  read_.insert(prefix_ + name);
  return *tensor;
}

void WeightLoader::pass_over(const std::string& name, const std::vector<std::int64_t>& shape) const {
  require(name, shape);
}

std::vector<float> WeightLoader::vector(const std::string& name, std::int64_t size) const {
  std::vector<float> values(static_cast<std::size_t>(size));
  copy_as_float(require(name, {size}), prefix_ + name, values);
  return values;
}

AlignedBuffer<float> WeightLoader::matrix(const std::string& name, std::int64_t rows, std::int64_t cols) const {
  AlignedBuffer<float> values(static_cast<std::size_t>(rows * cols));
  read_matrix(name, rows, cols, values.data());
  return values;
}

AlignedBuffer<float> WeightLoader::convolution(const std::string& name, std::int64_t out, std::int64_t in,
                                               std::int64_t kernel) const {
  const auto size = static_cast<std::size_t>(out * in * kernel);
  std::vector<float> stored(size);
  copy_as_float(require(name, {out, in, kernel}), prefix_ + name, stored);
  AlignedBuffer<float> values(size);
  float* value = values.data();
  for (std::int64_t row = 0; row < out; ++row) {
    for (std::int64_t tap = 0; tap < kernel; ++tap) {
      for (std::int64_t col = 0; col < in; ++col)
        *value++ = stored[static_cast<std::size_t>((row * in + col) * kernel + tap)];
    }
  }
  return values;
}

void WeightLoader::read_matrix(const std::string& name, std::int64_t rows, std::int64_t cols, float* out) const {
  const StoredTensor& tensor = require(name, {rows, cols});
  copy_as_float(tensor, prefix_ + name, {out, static_cast<std::size_t>(rows * cols)});
  TensorArchive::release(tensor);
}

AlignedBuffer<float> WeightLoader::matrix_rows(const std::string& name, std::int64_t rows, std::int64_t cols,
                                               std::int64_t first, std::int64_t count) const {
  StoredTensor part = require(name, {rows, cols});
  if (part.revision != nullptr) {
    const AlignedBuffer<float> whole = matrix(name, rows, cols);
    AlignedBuffer<float> values(static_cast<std::size_t>(count * cols));
    std::copy_n(whole.data() + first * cols, count * cols, values.data());
    return values;
  }
  const std::size_t row_bytes = part.bytes.size() / static_cast<std::size_t>(rows);
  part.bytes =
      part.bytes.subspan(static_cast<std::size_t>(first) * row_bytes, static_cast<std::size_t>(count) * row_bytes);
  part.shape.front() = count;
  AlignedBuffer<float> values(static_cast<std::size_t>(count * cols));
  copy_as_float(part, prefix_ + name, {values.data(), static_cast<std::size_t>(count * cols)});
  TensorArchive::release(part);
  return values;
}

StoredRows WeightLoader::stored_rows(const std::string& name, std::int64_t rows, std::int64_t cols,
                                     AlignedBuffer<float>& owned) const {
  const StoredTensor& tensor = require(name, {rows, cols});
  if (tensor.revision == nullptr && is_float(tensor.dtype)) return {tensor.bytes.data(), tensor.dtype, rows, cols};
  owned = matrix(name, rows, cols);
  return StoredRows({owned.data(), rows, cols});
}

ConstMatrixView WeightLoader::matrix_in_place(const std::string& name, std::int64_t rows, std::int64_t cols,
                                              AlignedBuffer<float>& owned) const {
  const StoredTensor& tensor = require(name, {rows, cols});
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.bytes.data());
  if (tensor.revision == nullptr && tensor.dtype == DType::kF32 && address % alignof(float) == 0) {
    return {reinterpret_cast<const float*>(tensor.bytes.data()), rows, cols};
  }
  owned = matrix(name, rows, cols);
  return {owned.data(), rows, cols};
}

Norm WeightLoader::norm(const std::string& stem, std::int64_t size, const NormOptions& options) const {
  const bool old_names = !has(stem + ".weight") && has(stem + ".gamma");
  Norm norm;
  norm.kind = options.kind;
  norm.gain = vector(stem + (old_names ? ".gamma" : ".weight"), size);
  if (options.bias) norm.bias = vector(stem + (old_names ? ".beta" : ".bias"), size);
  if (options.plus_one) {
    for (float& gain : norm.gain) gain += 1.0F;
  }
  norm.eps = static_cast<float>(options.eps);
  return norm;
}

std::string WeightLoader::place(const std::string& name) const {
  const StoredTensor* tensor = find(name);
  return fmt::format("{}: tensor {}{}", tensor == nullptr ? folder_ : tensor->file, prefix_, name);
}

std::vector<std::string> WeightLoader::unread() const {
  const std::scoped_lock lock(read_mutex_);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : archive_.tensors()) {
    if (!read_.contains(name)) names.push_back(name);
  }
  return names;
}

std::string WeightLoader::dtype(const std::string& name) const {
  const StoredTensor* tensor = find(name);
  return tensor == nullptr ? std::string() : std::string(dtype_name(tensor->dtype));
}

}  // namespace treble::internal
