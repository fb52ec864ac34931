// A custom observer: how evenly each layer's attention is spread over a text, at temperature 1 and sharpened.
//
//   observe MODEL_FOLDER TEXT
#include <treble/treble.h>

#include <cmath>
#include <cstdio>
#include <string_view>
#include <vector>

namespace {

/// The mean entropy of an attention row, layer by layer: 0 for a single key, 1 for all alike.
class EntropyObserver : public treble::Observer {
 public:
  void on_attention(std::int64_t /*text*/, std::int64_t /*layer*/, const treble::AttentionView& attention) override {
    double sum = 0;
    for (std::int64_t head = 0; head < attention.num_heads(); ++head) {
      for (const float p : attention.probabilities(head)) {
        if (p > 0) sum -= double{p} * std::log(double{p});
      }
    }
    const auto tokens = static_cast<double>(attention.num_tokens());
    layers_.push_back(sum / (static_cast<double>(attention.num_heads()) * tokens * std::log(tokens)));
  }

  const std::vector<double>& layers() const { return layers_; }

 private:
  std::vector<double> layers_;
};

std::vector<double> entropies(const treble::SentenceEncoder& encoder, std::string_view text, double tau) {
  treble::EncodeOptions options;
  options.temperature = treble::Temperature::constant(tau);
  EntropyObserver observer;
  treble::observe(encoder, {&text, 1}, options, observer);
  return observer.layers();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: observe MODEL_FOLDER TEXT\n");
    return 64;
  }
  try {
    const auto encoder = treble::SentenceEncoder::load({.model = argv[1]});
    const auto trained = entropies(encoder, argv[2], 1);
    const auto sharpened = entropies(encoder, argv[2], 0.5);
    for (std::size_t layer = 0; layer < trained.size(); ++layer) {
      std::printf("layer %zu: entropy %.4f, at temperature 0.5 %.4f\n", layer, trained[layer], sharpened[layer]);
    }
    return sharpened.front() < trained.front() ? 0 : 1;
  } catch (const treble::Error& error) {
    std::fprintf(stderr, "observe: %s\n", error.what());
    return treble::mapping(error.code()).exit_code;
  }
}
