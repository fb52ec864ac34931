// For tests: a small Mamba-2 model whose states are known to grow, with a tokenizer of whole words.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "engine/formula_model.h"
#include "treble/sentence_encoder.h"

namespace treble::internal::test {

/// 2 layers of 4 heads: heads 0 and 1 forget next to nothing, heads 2 and 3 within some tokens.
class StateModel {
 public:
  /// `stated`: what tokenizer_config.json says a text may have at most.
  explicit StateModel(const std::string& name, std::optional<int> stated = {})
      : folder_(std::filesystem::temp_directory_path() / fmt::format("treble_{}_{}", name, ::getpid())) {
    const nlohmann::json model = {{"prefix", ""}, {"config", config()}, {"tensors", tensors()}};
    auto weights = make_tensors(model);
    for (Tensor& tensor : weights) {
      if (tensor.name.ends_with("A_log")) tensor.values = {-9, -8, 2, 2.5};
    }
    write_model(folder_, model, weights);
    nlohmann::json vocabulary = {{"[UNK]", 0}};
    for (int word = 1; word < kWords; ++word) vocabulary[fmt::format("w{}", word)] = word;
    const nlohmann::json tokenizer = {
        {"version", "1.0"},
        {"added_tokens", nlohmann::json::array()},
        {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
        {"model", {{"type", "WordLevel"}, {"vocab", vocabulary}, {"unk_token", "[UNK]"}}}};
    std::ofstream(folder_ / "tokenizer.json") << tokenizer.dump();
    if (stated)
      std::ofstream(folder_ / "tokenizer_config.json") << fmt::format(R"({{"model_max_length": {}}})", *stated);
  }
  ~StateModel() { std::filesystem::remove_all(folder_); }
  StateModel(const StateModel&) = delete;
  StateModel& operator=(const StateModel&) = delete;

  SentenceEncoder load(int threads = 2, std::optional<std::int64_t> max_length = {}) const {
    return SentenceEncoder::load({.model = folder_.string(), .threads = threads, .max_length = max_length});
  }

  /// Of that many words of which few differ.
  static std::string text(int words, int number) {
    std::string text;
    for (int word = 0; word < words; ++word) text += fmt::format("w{} ", 1 + (word * word + number) % 5 + number % 20);
    return text;
  }

  const std::filesystem::path& folder() const noexcept { return folder_; }

 private:
  static constexpr int kWords = 61;

  static nlohmann::json config() {
    return {{"model_type", "mamba2"}, {"vocab_size", kWords}, {"hidden_size", 16}, {"num_hidden_layers", 2},
            {"num_heads", 4},         {"head_dim", 8},        {"state_size", 5},   {"n_groups", 2}};
  }

  static nlohmann::json tensors() {
    const auto each = [](std::vector<int> shape, double scale, double offset, int count) {
      return nlohmann::json::array({shape, scale, offset, count});
    };
    return {{"embeddings.weight", each({kWords, 16}, 1, 0, 1)},
            {"layers.{}.norm.weight", each({16}, 0.25, 1, 2)},
            {"layers.{}.mixer.dt_bias", each({4}, 0.5, -1, 2)},
            {"layers.{}.mixer.A_log", each({4}, 1, 1, 2)},
            {"layers.{}.mixer.D", each({4}, 0.25, 1, 2)},
            {"layers.{}.mixer.conv1d.weight", each({52, 1, 4}, 0.5, 0, 2)},
            {"layers.{}.mixer.conv1d.bias", each({52}, 0.25, 0, 2)},
            {"layers.{}.mixer.in_proj.weight", each({88, 16}, 0.5, 0, 2)},
            {"layers.{}.mixer.norm.weight", each({32}, 0.25, 1, 2)},
            {"layers.{}.mixer.out_proj.weight", each({16, 32}, 0.3536, 0, 2)},
            {"norm_f.weight", each({16}, 0.25, 1, 1)}};
  }

  std::filesystem::path folder_;
};

}  // namespace treble::internal::test
