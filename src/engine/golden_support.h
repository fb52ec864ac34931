// Reading the reference data that tools/make_golden.py writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_file.h"
#include "safetensors/safetensors.h"
#include "tensor/view.h"

namespace treble::internal::test {

inline std::filesystem::path source_path(const std::string& relative) {
  return std::filesystem::path(TREBLE_SOURCE_DIR) / relative;
}

/// A float tensor of a golden file.
struct Golden {
  std::vector<float> values;
  std::vector<std::int64_t> shape;

  ConstMatrixView view() const { return {values.data(), shape.at(0), shape.at(1)}; }
};

inline Golden read_golden(const TensorArchive& archive, const std::string& name) {
  const StoredTensor* tensor = archive.find(name);
  if (tensor == nullptr) throw std::runtime_error("golden data lack " + name);
  Golden golden{std::vector<float>(static_cast<std::size_t>(tensor->num_elements())), tensor->shape};
  copy_as_float(*tensor, name, golden.values);
  return golden;
}

inline std::vector<std::string> read_texts(const std::filesystem::path& file) {
  return parse_json_file(file).at("texts").get<std::vector<std::string>>();
}

inline std::vector<std::string_view> views(std::span<const std::string> texts) { return {texts.begin(), texts.end()}; }

}  // namespace treble::internal::test
