// For tests: a golden model's folder to damage.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "engine/golden_support.h"
#include "treble/error.h"
#include "treble/sentence_encoder.h"

namespace treble::internal::test {

inline std::string model_path(const std::string& family) {
  return source_path("tests/golden/" + family + "/model").string();
}

/// "code: message" of the Error that `body` throws.
inline std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(mapping(error.code()).name) + ": " + error.what();
  }
  return "no error";
}

/// `message` contains each of `words`.
inline void expect_words(const std::string& message, const std::vector<std::string>& words) {
  for (const std::string& word : words) EXPECT_NE(message.find(word), std::string::npos) << word << "\n" << message;
}

class ModelCopy {
 public:
  explicit ModelCopy(const std::string& family)
      : folder_(std::filesystem::temp_directory_path() / ("treble-model-" + std::to_string(::getpid()) + "-" +
                                                          std::filesystem::path(family).filename().string())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::copy(model_path(family), folder_, std::filesystem::copy_options::recursive);
  }
  ~ModelCopy() { std::filesystem::remove_all(folder_); }
  ModelCopy(const ModelCopy&) = delete;
  ModelCopy& operator=(const ModelCopy&) = delete;

  /// Changes one key of a JSON file, which is made if it is not there.
  void set(const std::string& file, const std::string& key, const nlohmann::json& value) const {
    auto json = std::filesystem::exists(folder_ / file) ? parse_json_file(folder_ / file) : nlohmann::json::object();
    json[key] = value;
    write(file, json.dump());
  }
  void write(const std::string& file, const std::string& bytes) const {
    std::filesystem::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file, std::ios::binary) << bytes;
  }
  void erase(const std::string& file) const { std::filesystem::remove_all(folder_ / file); }
  std::filesystem::path path() const { return folder_; }
  SentenceEncoder load() const { return SentenceEncoder::load({.model = folder_.string(), .threads = 1}); }
  std::string load_error() const {
    return error_of([this] { load(); });
  }
  /// The only warning of the model.
  std::string warning() const {
    const auto warnings = load().info().warnings;
    return warnings.size() == 1 ? warnings.front() : std::to_string(warnings.size()) + " warnings";
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace treble::internal::test
