// Length collapse made visible: reads texts (one a line) from stdin, prints the verdict and the tables, and writes the
// page for people.
//
//   inspect MODEL_FOLDER REPORT.html <texts.txt
#include <treble/treble.h>

#include <cstdio>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: inspect MODEL_FOLDER REPORT.html <texts.txt\n");
    return 64;
  }
  try {
    const auto encoder = treble::SentenceEncoder::load({.model = argv[1]});
    treble::InspectOptions options;
    options.temperatures = {treble::Temperature::constant(0.8)};
    options.sample = 50;
    options.bootstrap = 200;
    options.progress = [](const treble::Progress& progress) {
      std::fprintf(stderr, "\r%.*s %lld", static_cast<int>(progress.stage.size()), progress.stage.data(),
                   static_cast<long long>(progress.done));
    };
    const auto next_line = [](treble::InspectText& text) {
      text.id.clear();
      return static_cast<bool>(std::getline(std::cin, text.text));
    };
    const treble::CollapseReport report = treble::inspect_collapse(encoder, next_line, options);
    std::printf("\n%s\n\n%s", report.verdict.c_str(), treble::to_table(report).c_str());
    treble::write_whole_file(argv[2], treble::to_html(report));
    return 0;
  } catch (const treble::Error& error) {
    std::fprintf(stderr, "inspect: %s\n", error.what());
    return treble::mapping(error.code()).exit_code;
  }
}
