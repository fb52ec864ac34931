#include "model_arguments.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string_view>

#include "command_line.h"
#include "fail.h"
#include "standard_streams.h"
#include "treble/model_files.h"

namespace treble::cli {

namespace {

constexpr int kMaxThreads = 4096;

template <typename Value>
struct Named {
  std::string_view name;
  Value value;
};

// Spelled as in PositionExtension and ComputeType, sorted.
constexpr auto kExtensions =
    std::to_array<Named<PositionExtension>>({{"group", PositionExtension::group},
                                             {"group-long", PositionExtension::group_long},
                                             {"interpolate", PositionExtension::interpolate},
                                             {"interpolate-long", PositionExtension::interpolate_long},
                                             {"none", PositionExtension::none},
                                             {"ntk", PositionExtension::ntk},
                                             {"ntk-long", PositionExtension::ntk_long},
                                             {"recur", PositionExtension::recur}});
constexpr auto kTypes = std::to_array<Named<ComputeType>>({{"auto", ComputeType::automatic},
                                                           {"bfloat16", ComputeType::bfloat16},
                                                           {"float32", ComputeType::float32},
                                                           {"int8", ComputeType::int8}});

template <typename Names>
std::vector<std::string> names_of(const Names& names) {
  std::vector<std::string> result;
  result.reserve(names.size());
  for (const auto& one : names) result.emplace_back(one.name);
  return result;
}

template <typename Names>
auto look_up(const Names& names, std::string_view name, const char* what) {
  for (const auto& one : names) {
    if (one.name == name) return one.value;
  }
  fail(ErrorCode::invalid_argument, "\"{:.100}\" is not {}; there are {}", name, what,
       fmt::join(names_of(names), ", "));
}

std::optional<char> parse_delimiter(const std::string& text) {
  const std::map<std::string, char> names = {
      {"comma", ','}, {"semicolon", ';'}, {"tab", '\t'}, {"\\t", '\t'}, {"pipe", '|'}};
  if (text.empty()) return std::nullopt;
  if (const auto found = names.find(text); found != names.end()) return found->second;
  const bool usable = text.size() == 1 && text != "\"" && text != "\n" && text != "\r" && text.front() > 0;
  if (usable) return text.front();
  fail(ErrorCode::invalid_argument,
       "--delimiter \"{:.100}\" is not one ASCII character; write such as ';', or comma, semicolon, tab, pipe", text);
}

}  // namespace

ComputeType parse_dtype(const std::string& name) { return look_up(kTypes, name, "a compute type"); }

PositionExtension parse_extension(const std::string& name) { return look_up(kExtensions, name, "an extension"); }

StateControl parse_state(const std::string& text) {
  try {
    return StateControl::parse(text);
  } catch (const Error& error) {
    throw Error(error.code(), std::string("--state: ") + error.what(), {.file = error.file()});
  }
}

void ModelArguments::add_to(CLI::App& command) {
  const std::string group = "Model";
  command.add_option("-m,--model", options.model, "Model folder, or a name in the local Hugging Face cache")
      ->envname("TREBLE_MODEL")
      ->type_name("DIR")
      ->group(group);
  command
      .add_option("--adapter", options.adapter,
                  "PEFT LoRA adapter to merge into the weights: its folder, or a name in the same cache")
      ->type_name("DIR")
      ->group(group);
  command
      .add_option(
          "--task", options.task,
          "Of a model with an adapter for each task (Jina v3, v5): whose to merge, or none [as --prompt-name, if "
          "that is a task]")
      ->type_name("NAME")
      ->group(group);
  command
      .add_option("--max-length", options.max_length,
                  "Tokens a text may have; up to the model's position limit, or more with --extend")
      ->type_name("N")
      ->group(group);
  command
      .add_option_function<std::string>(
          "--extend", [this](const std::string& name) { options.extension = parse_extension(name); },
          "How --max-length goes beyond the model's positions, without training; ntk: rotary models only. interpolate, "
          "group and ntk change the vectors of short texts too (MiniLM at 2048 tokens: \"hi\" has a cosine of 0.32 to "
          "its own vector); with the suffix -long only those of texts beyond the positions [none]")
      ->type_name("none|interpolate|group|recur|ntk|interpolate-long|…")
      ->check(one_of(names_of(kExtensions)))
      ->group(group);
  command
      .add_option_function<std::string>(
          "--dtype", [this](const std::string& name) { options.dtype = parse_dtype(name); },
          "Type of the matmuls with weights; auto: the fastest on this CPU that keeps a mean cosine of "
          "0.9995 to float32 [float32]")
      ->type_name("float32|bfloat16|int8|auto")
      ->check(one_of(names_of(kTypes)))
      ->group(group);
  command.add_option("--threads", options.threads, "0: as many as this process may use [0]")
      ->type_name("N")
      ->check(CLI::Range(0, kMaxThreads))
      ->group(group);
  command
      .add_option("--cache", options.cache,
                  "Folder that keeps what int8 makes of the weights, so that the next start need not calibrate [none]")
      ->type_name("DIR")
      ->envname("TREBLE_CACHE")
      ->group(group);
  command
      .add_flag("--special-tokens-as-text", options.special_tokens_as_text,
                "Read \"[SEP]\" in a text as five characters, not as the special token")
      ->group(group);
}

void read_post(const std::string& written, BulkOptions& options) {
  if (ChunkOptions::names(written)) {
    options.chunks = ChunkOptions::parse(written);
  } else {
    options.post = written;
  }
}

std::string extension_warning(const ModelInfo& model) {
  constexpr std::array kChangingAll = {PositionExtension::interpolate, PositionExtension::group,
                                       PositionExtension::ntk};
  if (std::find(kChangingAll.begin(), kChangingAll.end(), model.extension) == kChangingAll.end()) return {};
  if (model.max_length <= model.position_limit) return {};
  return fmt::format(
      "warning: --extend {0} with --max-length {1} changes the vectors of short texts too; --extend {0}-long leaves "
      "texts of up to {2} tokens as the model has them\n",
      to_string(model.extension), model.max_length, model.position_limit);
}

std::string task_or_prompt(const std::string& model, const std::string& task,
                           const std::optional<std::string>& prompt_name) {
  if (!task.empty() || !prompt_name) return task;
  const auto tasks = model_tasks(model);
  return std::find(tasks.begin(), tasks.end(), *prompt_name) == tasks.end() ? task : *prompt_name;
}

void ModelArguments::check_named() const {
  if (options.model.empty()) {
    fail(ErrorCode::invalid_argument,
         "no model: name one with --model DIR or ORG/MODEL, or set TREBLE_MODEL. `treble pull "
         "sentence-transformers/all-MiniLM-L6-v2` fetches one");
  }
}

SentenceEncoder ModelArguments::load(bool quiet, const std::optional<std::string>& prompt_name) const {
  check_named();
  ModelOptions chosen = options;
  chosen.task = task_or_prompt(options.model, options.task, prompt_name);
  SentenceEncoder encoder = SentenceEncoder::load(chosen);
  if (!quiet) say_warnings(encoder.info());
  return encoder;
}

Reranker ModelArguments::load_reranker(bool quiet) const {
  check_named();
  Reranker reranker = Reranker::load(options);
  if (!quiet) say_warnings(reranker.info());
  return reranker;
}

void ModelArguments::say_warnings(const ModelInfo& info) const {
  for (const std::string& warning : info.warnings) say("treble: warning: {}\n", warning);
  if (options.extension != PositionExtension::none && info.max_length <= info.position_limit) {
    say("treble: warning: --extend {} has no effect: the model has positions for {} tokens, and --max-length is {}; "
        "give a --max-length beyond the positions\n",
        to_string(info.extension), info.position_limit, info.max_length);
  }
  say("{}", extension_warning(info));
}

void EncodeArguments::add_to(CLI::App& command) {
  const std::string group = "Vectors";
  add_reading_to(command, group);
  command
      .add_flag_function(
          // Not bound to the option itself: CLI11 would set it to false where neither flag is given.
          "--normalize,!--no-normalize", [this](std::int64_t count) { options.normalize = count > 0; },
          "Vectors of length 1 [as the model specifies]")
      ->group(group);
  command.add_option("--dimensions", options.dimensions, "Keep the first N dimensions (Matryoshka models)")
      ->type_name("N")
      ->group(group);
}

void EncodeArguments::add_reading_to(CLI::App& command, const std::string& group) {
  command
      .add_option("--temper-position-bias", options.temper_position_bias,
                  "Divide MPNet's position bias by the temperature too [true]")
      ->type_name("true|false")
      ->group(group);
  auto* name = command.add_option("--prompt-name", options.prompt_name, "One of the model's prompts; '' for none")
                   ->type_name("NAME")
                   ->group(group);
  command.add_option("--prompt", options.prompt, "Literal text to put before every text")
      ->type_name("TEXT")
      ->excludes(name)
      ->group(group);
  command
      .add_option("--truncate", truncate,
                  "Where to cut texts over the limit; error: stop instead [as the model specifies, usually end]")
      ->type_name("end|start|error")
      ->check(one_of({"end", "start", "error"}))
      ->group(group);
  command.add_option("--batch-tokens", options.batch_tokens, "Tokens of a micro-batch; 0: chosen automatically [0]")
      ->type_name("N")
      ->group(group);
}

EncodeOptions EncodeArguments::resolve() const {
  EncodeOptions resolved = options;
  if (truncate == "end") resolved.truncation = Truncation::end;
  if (truncate == "start") resolved.truncation = Truncation::start;
  if (truncate == "error") resolved.truncation = Truncation::error;
  return resolved;
}

void InputArguments::add_to(CLI::App& command) {
  const std::string group = "Input";
  command.add_option("INPUT", inputs, "Files or folders of texts, read in this order; - or nothing: stdin")
      ->type_name("");
  command.add_option("--format", format, "Of files and stdin [by the name; stdin: txt]. dir: each file is one text")
      ->type_name(fmt::format("{}", fmt::join(kFormats, "|")))
      ->check(one_of(std::vector<std::string>(kFormats.begin(), kFormats.end())))
      ->group(group);
  command
      .add_option("--text-field", options.text_field,
                  "JSON field (a.b: within an object) or column with the text; its number with --no-header [text]")
      ->type_name("NAME")
      ->group(group);
  command
      .add_option("--title-field", options.title_field,
                  "Field put before the text, if it is there [title in JSON and Parquet]; '' for none")
      ->type_name("NAME")
      ->group(group);
  command
      .add_option("--delimiter", delimiter,
                  "Between the fields of a CSV: a character, or comma, semicolon, tab, pipe [as the header shows]")
      ->type_name("C")
      ->group(group);
  command
      .add_flag_callback(
          "--no-header", [this] { options.header = false; },
          "A CSV begins with a text; its columns are numbers, --text-field 1")
      ->group(group);
  command.add_flag("--skip-unreadable", skip_unreadable, "Skip files and folders that may not be read, and count them")
      ->group(group);
  command.add_option("--invalid-utf8", invalid_utf8, "Stop at invalid UTF-8, or insert U+FFFD and count [error]")
      ->type_name("error|replace")
      ->check(one_of({"error", "replace"}))
      ->group(group);
}

InputOptions InputArguments::resolve() const {
  InputOptions resolved = options;
  resolved.invalid_utf8 = invalid_utf8 == "replace" ? InvalidUtf8::replace : InvalidUtf8::error;
  resolved.delimiter = parse_delimiter(delimiter);
  return resolved;
}

InputPlan InputArguments::plan(bool quiet) const {
  InputPlan plan = plan_inputs(
      inputs,
      {.format = format, .skip_unreadable = skip_unreadable, .csv_only = !delimiter.empty() || !options.header});
  if (!quiet) say("{}", plan.notes());
  return plan;
}

void InputArguments::check_given() const {
  if (!inputs.empty() || ::isatty(STDIN_FILENO) == 0) return;
  fail(ErrorCode::invalid_argument, "no input: name files or folders, or pipe texts in; - reads from the terminal");
}

}  // namespace treble::cli
