#include "model_arguments.h"

#include <unistd.h>

#include <map>

#include "fail.h"
#include "output/output_file.h"

namespace treble::cli {

namespace {

constexpr int kMostThreads = 4096;

// Spelled as in PositionExtension and ComputeType.
const std::map<std::string, PositionExtension> kExtensions = {{"none", PositionExtension::none},
                                                              {"interpolate", PositionExtension::interpolate},
                                                              {"group", PositionExtension::group},
                                                              {"recur", PositionExtension::recur},
                                                              {"ntk", PositionExtension::ntk}};
const std::map<std::string, ComputeType> kTypes = {{"float32", ComputeType::float32},
                                                   {"bfloat16", ComputeType::bfloat16},
                                                   {"int8", ComputeType::int8},
                                                   {"auto", ComputeType::automatic}};

template <typename Value>
Value look_up(const std::map<std::string, Value>& names, const std::string& name, const char* what) {
  if (const auto found = names.find(name); found != names.end()) return found->second;
  std::string known;
  for (const auto& [one, value] : names) known += (known.empty() ? "" : ", ") + one;
  fail(ErrorCode::invalid_argument, "\"{:.100}\" is no {}; there are {}", name, what, known);
}

}  // namespace

ComputeType parse_dtype(const std::string& name) { return look_up(kTypes, name, "compute type"); }

PositionExtension parse_extension(const std::string& name) { return look_up(kExtensions, name, "extension"); }

void ModelArguments::add_to(CLI::App& command) {
  const std::string group = "Model";
  command.add_option("-m,--model", options.model, "Model folder, or a name in the local Hugging Face cache")
      ->envname("TREBLE_MODEL")
      ->type_name("DIR")
      ->group(group);
  command
      .add_option("--max-length", options.max_length,
                  "Tokens a text may have; up to the model's position limit, or more with --extend")
      ->type_name("N")
      ->group(group);
  command
      .add_option(
          "--extend", options.extension,
          "How --max-length goes beyond the model's positions, without training; ntk: rotary models only [none]")
      ->type_name("none|interpolate|group|recur|ntk")
      ->transform(CLI::CheckedTransformer(kExtensions).description(""))
      ->group(group);
  command
      .add_option(
          "--dtype", options.dtype,
          "What products with weights are computed in; auto: the fastest on this CPU that keeps a mean cosine of "
          "0.9995 to float32 [float32]")
      ->type_name("float32|bfloat16|int8|auto")
      ->transform(CLI::CheckedTransformer(kTypes).description(""))
      ->group(group);
  command.add_option("--threads", options.threads, "0: as many as this process may use [0]")
      ->type_name("N")
      ->check(CLI::Range(0, kMostThreads))
      ->group(group);
  command
      .add_flag("--special-tokens-as-text", options.special_tokens_as_text,
                "Read \"[SEP]\" in a text as five characters, not as the special token")
      ->group(group);
}

SentenceEncoder ModelArguments::load() const {
  if (options.model.empty()) {
    fail(
        ErrorCode::invalid_argument,
        "no model: name a folder with --model DIR, or set TREBLE_MODEL. `tools/fetch_model.py all-MiniLM-L6-v2` brings "
        "one to models/all-MiniLM-L6-v2");
  }
  return SentenceEncoder::load(options);
}

void EncodeArguments::add_to(CLI::App& command) {
  const std::string group = "Vectors";
  command
      .add_option("--temper-position-bias", options.temper_position_bias,
                  "Divide MPNet's position bias by the temperature too [true]")
      ->type_name("true|false")
      ->group(group);
  auto* name = command.add_option("--prompt-name", options.prompt_name, "One of the model's prompts; '' for none")
                   ->type_name("NAME")
                   ->group(group);
  command.add_option("--prompt", options.prompt, "Put this text before every text")
      ->type_name("TEXT")
      ->excludes(name)
      ->group(group);
  command
      .add_option("--truncate", truncate,
                  "Where to cut texts over the limit; error: stop instead [as the model says: mostly end]")
      ->type_name("end|start|error")
      ->check(CLI::IsMember({"end", "start", "error"}).description(""))
      ->group(group);
  command
      .add_flag_function(
          // Not bound to the option itself: CLI11 would set it to false where neither flag is given.
          "--normalize,!--no-normalize", [this](std::int64_t count) { options.normalize = count > 0; },
          "Vectors of length 1 [as the model says]")
      ->group(group);
  command.add_option("--dimensions", options.dimensions, "Keep the first N numbers (Matryoshka models)")
      ->type_name("N")
      ->group(group);
  command.add_option("--batch-tokens", options.batch_tokens, "Tokens a thread carries at a time; 0 chooses [0]")
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
      ->type_name("txt|jsonl|csv|dir")
      ->check(CLI::IsMember({"txt", "jsonl", "csv", "dir"}).description(""))
      ->group(group);
  command.add_option("--text-field", options.text_field, "JSONL field or CSV column with the text [text]")
      ->type_name("NAME")
      ->group(group);
  command
      .add_option("--title-field", options.title_field,
                  "Field put before the text, if it is there [title in JSONL]; '' for none")
      ->type_name("NAME")
      ->group(group);
  command.add_option("--invalid-utf8", invalid_utf8, "Stop at invalid UTF-8, or put U+FFFD there and count [error]")
      ->type_name("error|replace")
      ->check(CLI::IsMember({"error", "replace"}).description(""))
      ->group(group);
}

InputOptions InputArguments::resolve() const {
  InputOptions resolved = options;
  resolved.invalid_utf8 = invalid_utf8 == "replace" ? InvalidUtf8::replace : InvalidUtf8::error;
  return resolved;
}

void InputArguments::check_given() const {
  if (!inputs.empty() || ::isatty(STDIN_FILENO) == 0) return;
  fail(ErrorCode::invalid_argument, "no input: name files or folders, or pipe texts in; - reads from the terminal");
}

void print_out(std::string_view text) { write_all(STDOUT_FILENO, "stdout", text); }

}  // namespace treble::cli
