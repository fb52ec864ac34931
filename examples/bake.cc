// Writes a temperature into a model's weights, and checks that the baked model gives what the tempered one gives.
//
//   bake MODEL_FOLDER TEMPERATURE OUTPUT_FOLDER
#include <treble/treble.h>

#include <cstdio>
#include <string_view>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: bake MODEL_FOLDER TEMPERATURE OUTPUT_FOLDER\n");
    return 64;
  }
  try {
    const auto temperature = treble::Temperature::parse(argv[2]);
    const treble::BakeReport report = treble::bake(argv[1], argv[3], temperature, {.force = true});
    std::printf("%zu tensors changed, rounded by at most %.1e\n", report.changed.size(), report.max_rounding_error);

    const std::vector<std::string_view> texts = {"The same text to both models."};
    treble::EncodeOptions options;
    options.temperature = temperature;
    const auto tempered = treble::SentenceEncoder::load({.model = argv[1]}).encode(texts, options);
    const auto baked = treble::SentenceEncoder::load({.model = argv[3]}).encode(texts);
    const double distance = 1 - treble::cosine(tempered.row(0), baked.row(0));
    std::printf("1 - cosine of tempered and baked: %.1e\n", distance);
    return distance < 1e-5 ? 0 : 1;
  } catch (const treble::Error& error) {
    std::fprintf(stderr, "bake: %s\n", error.what());
    return treble::mapping(error.code()).exit_code;
  }
}
