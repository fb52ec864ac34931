// Does a temperature help on this data? Chooses one on some folds of the labelled data and judges it on the others.
//
//   sweep MODEL_FOLDER DATA [REPORT.html]
//
// DATA is a BEIR folder, or a JSONL file of pairs ({"sentence1", "sentence2", "score"}).
#include <treble/treble.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: sweep MODEL_FOLDER DATA [REPORT.html]\n");
    return 64;
  }
  try {
    const auto encoder = treble::SentenceEncoder::load({.model = argv[1]});
    treble::SweepOptions options;
    options.temperatures = {treble::Temperature::constant(0.9), treble::Temperature::constant(0.8)};
    options.baselines.emplace();  // none
    options.held_out.resamples = 200;
    const treble::SweepReport report = treble::sweep(encoder, treble::read_sweep_data(argv[2]), options);
    std::printf("%s\n\n%s", report.verdict.c_str(), treble::to_table(report).c_str());
    const treble::Interval gain = report.held_out.gain;
    std::printf("\nheld-out gain of the chosen temperature: %+.4f [%+.4f, %+.4f]\n", gain.value, gain.low, gain.high);
    if (argc == 4) treble::write_whole_file(argv[3], treble::to_html(report));
    return 0;
  } catch (const treble::Error& error) {
    std::fprintf(stderr, "sweep: %s\n", error.what());
    return treble::mapping(error.code()).exit_code;
  }
}
