// treble: the command line program.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "bake_command.h"
#include "calibrate_command.h"
#include "embed_command.h"
#include "fit_command.h"
#include "info_command.h"
#include "inspect_command.h"
#include "sweep_command.h"
#include "treble/error.h"
#include "treble/version.h"

namespace treble::cli {

namespace {

constexpr const char* kIntroduction =
    "Text embeddings that are honest about long texts: whatever a model cuts is counted, and the temperature of its\n"
    "attention is an option.";

constexpr const char* kExamples = R"(Start here:
  tools/fetch_model.py all-MiniLM-L6-v2            brings a model to models/all-MiniLM-L6-v2
  export TREBLE_MODEL=models/all-MiniLM-L6-v2      so that --model need not be said again
  treble embed corpus.jsonl -o corpus.npy          texts to vectors
  treble inspect --temperature 0.8 corpus.jsonl    what length does to them, and what a temperature changes
  treble info                                      what the model is

Exit codes: 0 done, 64 wrong use, 65 bad input or model file, 66 not found, 69 not supported, 70 internal error,
74 reading or writing failed, 130 stopped by Ctrl-C.)";

std::string describe_build() {
  std::string text = std::string("treble ") + version() + " (commit " + git_commit() + ")\nCPU path: " + cpu_path();
  text += "\nlibraries: ";
  std::string separator;
  for (const auto& [name, number] : library_versions()) {
    text += std::exchange(separator, ", ") + name + " " + number;
  }
  return text;
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  const std::string command = chosen.empty() ? "treble" : "treble " + chosen.front()->get_name();
  std::fprintf(stderr, "treble: error: %s\ntry: %s --help\n", error.what(), command.c_str());
  return mapping(ErrorCode::invalid_argument).exit_code;
}

int run(int argc, char** argv) {
  CLI::App app(kIntroduction, "treble");
  app.footer(kExamples);
  app.set_version_flag("--version", describe_build);
  app.require_subcommand(1);
  EmbedCommand embed;
  InspectCommand inspect;
  SweepCommand sweep;
  CalibrateCommand calibrate;
  FitCommand fit;
  BakeCommand bake;
  InfoCommand info;
  embed.add_to(app);
  inspect.add_to(app);
  sweep.add_to(app);
  calibrate.add_to(app);
  fit.add_to(app);
  bake.add_to(app);
  info.add_to(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  if (embed.chosen()) return embed.run();
  if (inspect.chosen()) return inspect.run();
  if (sweep.chosen()) return sweep.run();
  if (calibrate.chosen()) return calibrate.run();
  if (fit.chosen()) return fit.run();
  if (bake.chosen()) return bake.run();
  return info.run();
}

}  // namespace

}  // namespace treble::cli

int main(int argc, char** argv) {
  const int internal = treble::mapping(treble::ErrorCode::internal).exit_code;
  try {
    return treble::cli::run(argc, argv);
  } catch (const treble::Error& error) {
    std::fprintf(stderr, "treble: error: %s\n", error.what());
    return treble::mapping(error.code()).exit_code;
  } catch (const std::bad_alloc&) {
    std::fputs("treble: error: out of memory; fewer --threads or a smaller --max-length need less\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "treble: error: %s (a fault in treble itself; please report it)\n", error.what());
  } catch (...) {
    std::fputs("treble: error: unknown failure (a fault in treble itself; please report it)\n", stderr);
  }
  return internal;
}
