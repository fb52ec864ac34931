#include "bake_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>

#include "command_line.h"
#include "fail.h"
#include "interrupt.h"
#include "python_script.h"
#include "standard_streams.h"

namespace treble::cli {

namespace {

constexpr const char* kBakeExamples =
    R"(The result is a complete model folder; whatever reads the model serves it tempered, at no cost. All other files are carried
over, treble.json says what was done. An adapter (--adapter, --task, or one in the folder) is merged first. A temperature that
depends on the length of texts cannot be baked. --onnx needs Python with the package onnx.

Examples:
  treble bake -m models/all-MiniLM-L6-v2 -t 0.8 -o models/MiniLM-t0.8
  treble bake -m models/all-mpnet-base-v2 -t 0.8 \
      --temper-position-bias=false -o models/mpnet-t0.8
  treble bake --onnx model.onnx model-t0.8.onnx -t 0.8)";

/// For the Python part: a number, or a list of heads for each layer, as JSON.
std::string scales_json(const Temperature& temperature) {
  constexpr std::string_view kProfile = "match:";
  const std::string written = temperature.to_string();
  if (temperature.depends_on_length()) {
    fail(ErrorCode::invalid_argument,
         "temperature {} cannot be baked: it depends on how long each text is, and weights are the same for all texts",
         written);
  }
  if (!written.starts_with(kProfile)) return fmt::format("{}", temperature.logit_scale(0, 0, 1));
  // Only the profile knows how many layers it is for.
  std::vector<std::vector<double>> layers;
  for (const auto& heads : read_profile(written.substr(kProfile.size())).logit_scales) {
    auto& scales = layers.emplace_back();
    for (const auto& lengths : heads) scales.push_back(lengths.front());
  }
  return fmt::format("{}", layers);
}

}  // namespace

void BakeCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("bake", "Write a temperature into a model's weights, for every other runtime");
  command_->add_option("-m,--model", model_, "Model folder, or a name in the local Hugging Face cache [$TREBLE_MODEL]")
      ->type_name("DIR");
  command_->add_option("-t,--temperature", temperature_, "Such as 0.8; below 1 sharpens attention [1, with an adapter]")
      ->type_name("T");
  command_->add_option("--adapter", options_.adapter, "PEFT LoRA adapter to merge into the weights too")
      ->type_name("DIR");
  command_->add_option("--task", options_.task, "Whose adapter to merge, of a model with one for each task")
      ->type_name("NAME");
  auto* output = command_->add_option("-o,--output", output_, "The new model folder")->type_name("DIR");
  command_
      ->add_option("--temper-position-bias", options_.temper_position_bias,
                   "Divide the position bias of T5 and MPNet by the temperature too [true]")
      ->type_name("true|false");
  auto* dtype = command_->add_option("--dtype", dtype_, "Type of the weights: as they are, or all float32 [keep]")
                    ->type_name("keep|float32")
                    ->check(one_of({"keep", "float32"}));
  command_->add_flag("--force", options_.force, "Replace an output that exists");
  command_->add_option("--onnx", onnx_, "Bake an ONNX export of BERT, RoBERTa, DistilBERT, MPNet instead")
      ->type_name("IN OUT")
      ->expected(2)
      ->excludes(output)
      ->excludes(dtype);
  command_->footer(kBakeExamples);
}

int BakeCommand::run() const {
  if (temperature_.empty() && !onnx_.empty()) {
    fail(ErrorCode::invalid_argument, "no temperature: give --temperature T, such as 0.8");
  }
  const Temperature temperature = temperature_.empty() ? Temperature() : Temperature::parse(temperature_);
  if (output_ == "-" || (!onnx_.empty() && onnx_.back() == "-")) {
    fail(ErrorCode::invalid_argument, "a baked model cannot go to stdout; name {}",
         onnx_.empty() ? "a new folder with -o" : "a file");
  }
  return onnx_.empty() ? bake_folder(temperature) : bake_onnx(temperature);
}

int BakeCommand::bake_folder(const Temperature& temperature) const {
  const char* from_environment = std::getenv("TREBLE_MODEL");
  const std::string model = model_.empty() && from_environment != nullptr ? from_environment : model_;
  if (model.empty()) fail(ErrorCode::invalid_argument, "no model: name a folder with --model DIR, or set TREBLE_MODEL");
  if (output_.empty()) fail(ErrorCode::invalid_argument, "no output: name the new folder with -o DIR");
  const InterruptHandler interrupts(true);
  BakeOptions options = options_;
  options.dtype = dtype_ == "float32" ? BakedDType::float32 : BakedDType::keep;
  options.stop = interrupts.token();
  const BakeReport report = bake(model, output_, temperature, options);
  say(bake_summary(output_, report));
  return 0;
}

int BakeCommand::bake_onnx(const Temperature& temperature) const {
  std::vector<std::string> arguments = {onnx_.at(0),
                                        onnx_.at(1),
                                        "--logit-scales",
                                        scales_json(temperature),
                                        "--written-form",
                                        temperature.to_string(),
                                        "--temper-position-bias",
                                        options_.temper_position_bias ? "true" : "false"};
  if (!model_.empty()) arguments.insert(arguments.end(), {"--model", model_});
  if (options_.force) arguments.emplace_back("--force");
  return run_python_script({"bake_onnx.py", {"onnx"}, arguments});
}

std::string bake_summary(const std::string& output, const BakeReport& report) {
  const std::string rounding = report.exact
                                   ? "without rounding"
                                   : fmt::format("rounded by at most {:.1e} of each value", report.max_rounding_error);
  std::string text = fmt::format("{}: {} tensors changed, {}\n", output, report.changed.size(), rounding);
  if (!report.adapter.empty()) text += fmt::format("merged the adapter {}\n", report.adapter);
  // Of 16-bit weights; worth knowing, since it can be avoided.
  if (report.max_rounding_error > 1e-5) text += "--dtype float32 keeps the products exact to 6e-8\n";
  if (!report.left_out.empty()) {
    text += fmt::format("left out, as they hold the model without the change: {}\n", fmt::join(report.left_out, ", "));
  }
  return text;
}

}  // namespace treble::cli
