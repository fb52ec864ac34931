// Load a model, embed texts, compare: the smallest program.
//
//   embed MODEL_FOLDER
#include <treble/treble.h>

#include <cstdio>
#include <string_view>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: embed MODEL_FOLDER\n");
    return 64;
  }
  try {
    const auto encoder = treble::SentenceEncoder::load({.model = argv[1]});
    const std::vector<std::string_view> texts = {"The ferry leaves at seven.", "The boat departs at 7 am.",
                                                 "Add two cups of flour."};
    treble::EncodeOptions options;
    options.temperature = treble::Temperature::parse("0.9");
    const treble::Embeddings vectors = encoder.encode(texts, options);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto index = static_cast<std::int64_t>(i);
      std::printf("%.4f  %lld of %lld tokens  %s\n", treble::cosine(vectors.row(0), vectors.row(index)),
                  static_cast<long long>(vectors.token_counts[i].used),
                  static_cast<long long>(vectors.token_counts[i].tokens), texts[i].data());
    }
    return 0;
  } catch (const treble::Error& error) {
    std::fprintf(stderr, "embed: %s\n", error.what());
    return treble::mapping(error.code()).exit_code;
  }
}
