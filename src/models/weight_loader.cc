#include "models/weight_loader.h"

#include <fmt/ranges.h>

#include <cstdint>
#include <utility>

#include "base/fail.h"

namespace treble {

WeightLoader::WeightLoader(const TensorArchive& archive, const WeightNames& names, std::string folder)
    : archive_(archive), folder_(std::move(folder)) {
  const std::string anchor = names.word_embeddings + ".weight";
  if (archive_.find(anchor) != nullptr) return;
  for (const std::string& prefix : names.prefixes) {
    if (archive_.find(prefix + anchor) == nullptr) continue;
    prefix_ = prefix;
    return;
  }
  fail(ErrorCode::invalid_file,
       "{}: the weights hold no tensor {}, neither bare nor under {}; config.json and weights may belong to different "
       "models",
       folder_, anchor, fmt::join(names.prefixes, ", "));
}

const StoredTensor* WeightLoader::find(const std::string& name) const { return archive_.find(prefix_ + name); }

const StoredTensor& WeightLoader::require(const std::string& name, std::initializer_list<std::int64_t> shape) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) fail(ErrorCode::invalid_file, "{}: the weights lack the tensor {}{}", folder_, prefix_, name);
  const std::vector<std::int64_t> wanted(shape);
  if (tensor->shape != wanted) {
    fail(ErrorCode::invalid_file, "{}: tensor {}{} is [{}], config.json asks for [{}]", tensor->file, prefix_, name,
         fmt::join(tensor->shape, ", "), fmt::join(wanted, ", "));
  }
  return *tensor;
}

std::vector<float> WeightLoader::vector(const std::string& name, std::int64_t size) const {
  std::vector<float> values(static_cast<std::size_t>(size));
  copy_as_float(require(name, {size}), prefix_ + name, values);
  return values;
}

AlignedBuffer<float> WeightLoader::matrix(const std::string& name, std::int64_t rows, std::int64_t cols) const {
  const StoredTensor& tensor = require(name, {rows, cols});
  AlignedBuffer<float> values(static_cast<std::size_t>(rows * cols));
  copy_as_float(tensor, prefix_ + name, {values.data(), static_cast<std::size_t>(rows * cols)});
  return values;
}

ConstMatrixView WeightLoader::matrix_in_place(const std::string& name, std::int64_t rows, std::int64_t cols,
                                              AlignedBuffer<float>& owned) const {
  const StoredTensor& tensor = require(name, {rows, cols});
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.bytes.data());
  if (tensor.dtype == DType::kF32 && address % alignof(float) == 0) {
    return {reinterpret_cast<const float*>(tensor.bytes.data()), rows, cols};
  }
  owned = matrix(name, rows, cols);
  return {owned.data(), rows, cols};
}

LayerNorm WeightLoader::layer_norm(const std::string& stem, std::int64_t size, double eps) const {
  const bool old_names = !has(stem + ".weight") && has(stem + ".gamma");
  return {.gain = vector(stem + (old_names ? ".gamma" : ".weight"), size),
          .bias = vector(stem + (old_names ? ".beta" : ".bias"), size),
          .eps = static_cast<float>(eps)};
}

std::string WeightLoader::dtype(const std::string& name) const {
  const StoredTensor* tensor = find(name);
  return tensor == nullptr ? std::string() : std::string(dtype_name(tensor->dtype));
}

}  // namespace treble
