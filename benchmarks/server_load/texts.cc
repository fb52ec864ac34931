#include "texts.h"

#include <chrono>
#include <cmath>
#include <cstddef>
#include <ctime>
#include <nlohmann/json.hpp>
#include <random>
#include <string_view>

namespace treble::load {

std::vector<std::string> make_texts(int count, int shortest, int longest) {
  static const std::vector<std::string> words = {"the",    "city",   "river", "with",  "small", "water",
                                                 "people", "time",   "music", "light", "green", "house",
                                                 "north",  "season", "game",  "school"};
  std::mt19937 random(19);
  std::uniform_real_distribution<double> length(std::log(shortest), std::log(longest + 1));
  std::uniform_int_distribution<std::size_t> word(0, words.size() - 1);
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    // A number of its own makes each text unlike all others; words and digits are a token each, two are special.
    std::string text = std::to_string(i);
    const int tokens = static_cast<int>(std::exp(length(random)));
    for (int t = 3; t < tokens; ++t) text += " " + words[word(random)];
    texts.push_back(std::move(text));
  }
  return texts;
}

std::vector<LoadText> with_vectors(const SentenceEncoder& encoder, const std::vector<std::string>& texts,
                                   const std::string& openai_model) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto vectors = encoder.encode(views);
  const auto counts = encoder.count_tokens(views);
  std::vector<LoadText> load;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto row = vectors.row(static_cast<std::int64_t>(i));
    const nlohmann::json body = openai_model.empty() ? nlohmann::json{{"inputs", texts[i]}}
                                                     : nlohmann::json{{"model", openai_model}, {"input", texts[i]}};
    load.push_back({.body = body.dump(), .expected = {row.begin(), row.end()}, .tokens = counts[i].tokens});
  }
  return load;
}

Throughput encode_throughput(const SentenceEncoder& encoder, const std::vector<std::string>& texts) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto start = std::chrono::steady_clock::now();
  const auto cpu_start = std::clock();
  encoder.encode(views);
  const double cpu = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto count = static_cast<double>(texts.size());
  return {.texts_per_second = count / wall, .texts_per_cpu_second = count / cpu};
}

}  // namespace treble::load
