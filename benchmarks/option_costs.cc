// What a temperature and an observer cost: the same texts with each option in interleaved runs, one thread or more.
//
//   treble_option_costs MODEL TEXTS [threads] [rounds]   → {"plain": [seconds of each round], "constant": …,
//   "schedule": …,
//                                                          "observed": …, "probed": …, "alone": …}
// "alone": texts one by one, as an observer gets them; "observed": the same with an observer that reads every number it
// is handed; "probed": with the diagnostics of `treble inspect` in all layers.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "diagnostics/layer_probe.h"
#include "engine/encoder_access.h"
#include "treble/sentence_encoder.h"

namespace {

using treble::EncodeOptions;
using treble::SentenceEncoder;
using treble::internal::EncoderAccess;

/// Sums all that it sees.
class Reader : public treble::internal::AttentionObserver {
 public:
  void on_attention(std::int64_t, const treble::internal::PackedBatch&,
                    const treble::internal::AttentionInputs& inputs) override {
    for (const auto& view : {inputs.q, inputs.k, inputs.v}) read(view);
  }
  void on_hidden_states(std::int64_t, const treble::internal::PackedBatch&,
                        treble::internal::ConstMatrixView hidden) override {
    read(hidden);
  }
  double sum() const { return sum_; }

 private:
  void read(treble::internal::ConstMatrixView view) {
    for (std::int64_t row = 0; row < view.rows; ++row) {
      const auto values = view.row_span(row);
      sum_ += std::accumulate(values.begin(), values.end(), 0.0F);
    }
  }
  double sum_ = 0;
};

EncodeOptions tempered(const char* spec) {
  EncodeOptions options;
  options.temperature = treble::Temperature::parse(spec);
  return options;
}

void probe(const SentenceEncoder& encoder, std::span<const std::string_view> texts) {
  treble::internal::LayerProbe::Place place;
  place.layers.resize(static_cast<std::size_t>(encoder.info().num_layers));
  std::iota(place.layers.begin(), place.layers.end(), std::int64_t{0});
  treble::internal::LayerProbe layers(place, [&](std::int64_t count, const std::function<void(std::int64_t)>& body) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
  });
  EncoderAccess::observe(encoder, texts, {}, layers);
}

std::vector<std::string> read_lines(const char* path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: treble_option_costs MODEL TEXTS [threads] [rounds]\n";
    return 64;
  }
  treble::ModelOptions model;
  model.model = argv[1];
  model.threads = argc > 3 ? std::atoi(argv[3]) : 1;
  const int rounds = argc > 4 ? std::atoi(argv[4]) : 9;
  const auto encoder = SentenceEncoder::load(model);
  const auto lines = read_lines(argv[2]);
  const std::vector<std::string_view> texts(lines.begin(), lines.end());
  // The sums keep the reading from being optimised away.
  double read = 0;
  const std::vector<std::pair<std::string, std::function<void()>>> ways = {
      {"plain", [&] { encoder.encode(texts); }},
      {"constant", [&] { encoder.encode(texts, tempered("0.9")); }},
      {"schedule", [&] { encoder.encode(texts, tempered("log:64")); }},
      {"alone",
       [&] {
         for (const auto& text : texts) encoder.encode({&text, 1});
       }},
      {"observed",
       [&] {
         Reader reader;
         EncoderAccess::observe(encoder, texts, {}, reader);
         read += reader.sum();
       }},
      {"probed", [&] { probe(encoder, texts); }}};
  std::map<std::string, std::vector<double>> seconds;
  for (int round = 0; round <= rounds; ++round) {
    for (const auto& [name, run] : ways) {
      const auto start = std::chrono::steady_clock::now();
      run();
      // The first round warms up.
      if (round > 0) {
        seconds[name].push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      }
    }
  }
  nlohmann::json result = {{"texts", texts.size()}, {"read", read}};
  for (const auto& [name, values] : seconds) result[name] = values;
  std::cout << result.dump() << '\n';
  return 0;
}
