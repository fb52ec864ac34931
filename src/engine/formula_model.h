// For tests: models whose weights are made by formula out of the tensors' names (tools/golden/variants.py).
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "safetensors/safetensors.h"

namespace treble::internal::test {

struct Tensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// value() of tools/golden/variants.py.
inline std::vector<float> formula_values(const std::string& name, std::int64_t count, double scale, double offset) {
  std::uint64_t state = 0xCBF29CE484222325U;
  for (const char letter : name) state = (state ^ static_cast<unsigned char>(letter)) * 0x100000001B3U;
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    state += 0x9E3779B97F4A7C15U;
    std::uint64_t x = state;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    x ^= x >> 31U;
    values.push_back(static_cast<float>(offset + scale * (std::ldexp(static_cast<double>(x >> 11U), -52) - 1)));
  }
  return values;
}

inline Tensor make_tensor(const std::string& name, const nlohmann::json& entry) {
  Tensor tensor{name, entry.at(0).get<std::vector<std::int64_t>>(), {}};
  const auto count = std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1}, std::multiplies<>());
  tensor.values = formula_values(name, count, entry.at(1).get<double>(), entry.at(2).get<double>());
  return tensor;
}

inline std::vector<Tensor> make_tensors(const nlohmann::json& variant) {
  std::vector<Tensor> tensors;
  for (const auto& [pattern, entry] : variant.at("tensors").items()) {
    for (std::int64_t layer = 0; layer < entry.at(3).get<std::int64_t>(); ++layer) {
      std::string name = pattern;
      if (const auto hole = name.find("{}"); hole != std::string::npos) name.replace(hole, 2, std::to_string(layer));
      tensors.push_back(make_tensor(name, entry));
    }
  }
  return tensors;
}

/// A folder with config.json and the weights.
inline void write_model(const std::filesystem::path& folder, const nlohmann::json& variant,
                        const std::vector<Tensor>& tensors) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json") << variant.at("config").dump();
  std::vector<TensorToWrite> stored;
  for (const Tensor& tensor : tensors) {
    stored.push_back({variant.at("prefix").get<std::string>() + tensor.name, DType::kF32, tensor.shape,
                      std::as_bytes(std::span(tensor.values))});
  }
  write_safetensors(folder / "model.safetensors", stored);
  // Nothing is tokenized, but a folder without a tokenizer is no model to bake.
  std::ofstream(folder / "tokenizer.json") << "{}";
}

/// ids() of tools/golden/variants.py.
inline std::vector<std::int32_t> text_ids(std::int64_t length, std::int64_t vocab) {
  constexpr std::int64_t kFirst = 5;
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < length; ++i) {
    ids.push_back(static_cast<std::int32_t>(kFirst + (7 * i * i + 3 * i + length) % (vocab - kFirst)));
  }
  return ids;
}

}  // namespace treble::internal::test
