// What a program that uses Treble looks like: load, embed, compare.
#include <treble/error.h>
#include <treble/sentence_encoder.h>
#include <treble/version.h>

#include <cstdio>
#include <numeric>
#include <string_view>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: consumer MODEL_FOLDER\n");
    return 64;
  }
  try {
    const auto encoder = treble::SentenceEncoder::load({.model = argv[1]});
    treble::EncodeOptions options;
    options.temperature = treble::Temperature::constant(0.8);
    const std::vector<std::string_view> texts = {"a letter from the harbour", "a letter from the port"};
    const auto vectors = encoder.encode(texts, options);
    const float* first = vectors.values.data();
    const double cosine = std::inner_product(first, first + vectors.dim, first + vectors.dim, 0.0);
    std::printf("treble %s: cosine %.4f over %lld dimensions\n", treble::version(), cosine,
                static_cast<long long>(vectors.dim));
    return cosine > 0 && cosine <= 1.0001 ? 0 : 1;
  } catch (const treble::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return treble::mapping(error.code()).exit_code;
  }
}
