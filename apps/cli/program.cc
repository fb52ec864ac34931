#include "program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "bake_command.h"
#include "calibrate_command.h"
#include "collapse_model_command.h"
#include "command_line.h"
#include "convert_command.h"
#include "embed_command.h"
#include "fit_command.h"
#include "help_formatter.h"
#include "info_command.h"
#include "inspect_command.h"
#include "models_command.h"
#include "passkey_command.h"
#include "pull_command.h"
#include "reference_command.h"
#include "rerank_command.h"
#include "serve_command.h"
#include "standard_streams.h"
#include "sweep_command.h"
#include "treble/error.h"
#include "treble/version.h"

namespace treble::cli {

namespace {

constexpr const char* kIntroduction =
    "Text embeddings that are honest about long texts: whatever a model cuts is counted, and the temperature of its "
    "attention is an option.";

constexpr const char* kFirstSteps =
    R"(Start here:
  treble pull sentence-transformers/all-MiniLM-L6-v2
  export TREBLE_MODEL=sentence-transformers/all-MiniLM-L6-v2
  treble embed corpus.jsonl -o corpus.npy
  treble inspect --temperature 0.8 corpus.jsonl
  treble info

The first fetches a model, the second names it once instead of with every --model; then: texts to vectors, what length does
to them and what a temperature changes, and what the model is.

Exit codes: 0 done, 64 wrong use, 65 bad input or model file, 66 not found, 69 not supported, 70 internal error, 74
reading or writing failed, 130 stopped by Ctrl-C.)";

std::string describe_build() {
  std::string text = std::string("treble ") + version() + " (commit " + git_commit() + ")\nCPU path: " + cpu_path();
  text += "\nlibraries: ";
  std::string separator;
  for (const auto& [name, number] : library_versions()) {
    text += fmt::format("{}{} {}", std::exchange(separator, ", "), name, number);
  }
  return text;
}

int usage_error(const std::string& command, const CLI::ParseError& error) {
  say("treble: error: {}\ntry: {} --help\n", error.what(), command);
  return mapping(ErrorCode::invalid_argument).exit_code;
}

/// "treble embed", of what was typed.
std::string command_of(const CLI::App& app, int argc, const char* const* argv) {
  const auto named = [&](const CLI::App* command) { return argc > 1 && command->get_name() == argv[1]; };
  return app.get_subcommands(named).empty() ? "treble" : fmt::format("treble {}", argv[1]);
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  CLI::App app(kIntroduction, "treble");
  app.formatter(std::make_shared<HelpFormatter>(help_width()));
  app.footer(kFirstSteps);
  app.set_version_flag("--version", describe_build);
  app.require_subcommand(1);
  EmbedCommand embed;
  RerankCommand rerank;
  InspectCommand inspect;
  SweepCommand sweep;
  CalibrateCommand calibrate;
  FitCommand fit;
  CollapseModelCommand collapse_model;
  PasskeyCommand passkey;
  BakeCommand bake;
  InfoCommand info;
  ModelsCommand models;
  ServeCommand serve;
  PullCommand pull;
  ConvertCommand convert;
  ReferenceCommand reference;
  embed.add_to(app);
  rerank.add_to(app);
  inspect.add_to(app);
  sweep.add_to(app);
  calibrate.add_to(app);
  fit.add_to(app);
  collapse_model.add_to(app);
  passkey.add_to(app);
  bake.add_to(app);
  info.add_to(app);
  models.add_to(app);
  serve.add_to(app);
  pull.add_to(app);
  convert.add_to(app);
  reference.add_to(app);
  try {
    auto arguments = prepare_arguments(app, argc, argv);
    // CLI11 takes them from the end.
    std::reverse(arguments.begin(), arguments.end());
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    print_out(chosen.empty() ? app.help() : chosen.front()->help("treble"));
    return 0;
  } catch (const CLI::CallForVersion& text) {
    print_out(fmt::format("{}\n", text.what()));
    return 0;
  } catch (const CLI::ParseError& error) {
    return usage_error(command_of(app, argc, argv), error);
  }
  if (embed.chosen()) return embed.run();
  if (rerank.chosen()) return rerank.run();
  if (inspect.chosen()) return inspect.run();
  if (sweep.chosen()) return sweep.run();
  if (calibrate.chosen()) return calibrate.run();
  if (fit.chosen()) return fit.run();
  if (collapse_model.chosen()) return collapse_model.run();
  if (passkey.chosen()) return passkey.run();
  if (bake.chosen()) return bake.run();
  if (serve.chosen()) return serve.run();
  if (pull.chosen()) return pull.run();
  if (convert.chosen()) return convert.run();
  if (reference.chosen()) return reference.run(app);
  if (models.chosen()) return models.run();
  return info.run();
}

}  // namespace treble::cli
