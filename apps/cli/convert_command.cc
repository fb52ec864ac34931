#include "convert_command.h"

#include <vector>

#include "command_line.h"
#include "fail.h"
#include "python_script.h"

namespace treble::cli {

namespace {

constexpr const char* kConvertExamples =
    R"help(PyTorch's files (pytorch_model.bin, its shards, *.pt, *.pth; of modules such as 2_Dense too) are read as data, without PyTorch:
nothing in them is run. Of a GGUF file (F32, F16, BF16, Q8_0; BERT, DistilBERT, XLM-R, Jina v2, Nomic; RoBERTa,
Qwen 3 and EmbeddingGemma with --tokenizer) config.json, modules.json and the tokenizer are made as well. What was converted and what was left out is written to standard error, the folder to standard
output. Values stay as they are: no temperature is applied (treble bake does that). Needs Python with the package numpy.

Examples:
  treble convert old/MiniLM -o models/MiniLM
  treble convert old/MiniLM --in-place
  treble convert bge-small-en-v1.5-q8_0.gguf -o models/bge-small)help";

}  // namespace

void ConvertCommand::add_to(CLI::App& app) {
  command_ =
      app.add_subcommand("convert", "Make model.safetensors of PyTorch's files, or a model's folder of a GGUF file");
  command_->add_option("source", source_, "A model's folder, or a .gguf file")->required()->type_name("SOURCE");
  auto* output = command_->add_option("-o,--output", output_, "The new model folder")->type_name("DIR");
  command_->add_flag("--in-place", in_place_, "Write model.safetensors beside pytorch_model.bin, which stays")
      ->excludes(output);
  command_->add_option("--pooling", pooling_, "Of a GGUF file that states none")
      ->type_name("mean|cls|last")
      ->check(one_of({"mean", "cls", "last"}));
  command_
      ->add_option(
          "--tokenizer", tokenizer_,
          "tokenizer.json of the original, or its folder: for GGUF files of RoBERTa, Qwen 3 and EmbeddingGemma")
      ->type_name("FILE");
  command_->add_flag("--force", force_, "Replace an output that exists");
  command_->footer(kConvertExamples);
}

int ConvertCommand::run() const {
  if (output_.empty() && !in_place_) {
    fail(ErrorCode::invalid_argument, "say where the result goes: -o NEW-FOLDER, or --in-place");
  }
  std::vector<std::string> arguments;
  if (!output_.empty()) arguments.insert(arguments.end(), {"--output", output_});
  if (!pooling_.empty()) arguments.insert(arguments.end(), {"--pooling", pooling_});
  if (!tokenizer_.empty()) arguments.insert(arguments.end(), {"--tokenizer", tokenizer_});
  if (in_place_) arguments.emplace_back("--in-place");
  if (force_) arguments.emplace_back("--force");
  arguments.insert(arguments.end(), {"--", source_});
  return run_python_script({"convert/__main__.py", {"numpy"}, arguments});
}

}  // namespace treble::cli
