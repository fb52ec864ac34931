#include "fit_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <vector>

#include "fail.h"
#include "file_roles.h"
#include "progress.h"
#include "standard_streams.h"
#include "treble/provenance.h"

namespace treble::cli {

namespace {

constexpr const char* kFitExamples =
    R"(Fit on texts like those that will be embedded, thousands of them; they need no labels and are read once.

  centring            subtracts the mean vector
  whitening[:K]       every direction the same variance; keeps K dimensions
                      [all that carry variance]
  all-but-the-top[:D] the mean and the first D principal axes removed
                      [a hundredth of the dimensions]
  length-direction    the direction that goes with ln(tokens) removed

Examples:
  export TREBLE_MODEL=models/all-MiniLM-L6-v2
  treble fit --transform all-but-the-top corpus.jsonl -o top.safetensors
  treble embed --post top.safetensors corpus.jsonl -o corpus.npy)";

constexpr std::size_t kChunkTexts = 512;

}  // namespace

void FitCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("fit", "Fit a post-processing step (centring, whitening, …) on unlabelled texts");
  const std::string group = "Fit";
  command_->add_option("--transform", transform_, "centring, whitening[:K], all-but-the-top[:D] or length-direction")
      ->type_name("NAME")
      ->required()
      ->group(group);
  command_->add_option("-o,--output", output_, "The file to write, for embed --post")
      ->type_name("FILE.safetensors")
      ->required()
      ->group(group);
  command_->add_option("-t,--temperature", temperature_, "Of the vectors it will be applied to [1]")
      ->type_name("T")
      ->group(group);
  command_->add_option("--state", state_, "Of the vectors it will be applied to, where the model has a state [none]")
      ->type_name("S")
      ->group(group);
  command_->add_flag("--force", force_, "Replace a file that exists")->group(group);
  model_.add_to(*command_);
  encode_.add_to(*command_);
  input_.add_to(*command_);
  command_->footer(kFitExamples);
}

void FitCommand::check_output(const InputPlan& plan) const {
  if (output_ == "-") {
    fail(ErrorCode::invalid_argument, "a fitted step is a binary file that --post reads; name a file with -o");
  }
  FileRoles roles;
  roles.reads(plan);
  roles.reads_model(model_.options.model);
  roles.reads_temperature(temperature_);
  roles.reads_state(state_);
  roles.writes(output_, "-o");
  roles.check();
  check_writable(output_, force_ ? Existing::replace : Existing::refuse);
}

int FitCommand::run() const {
  input_.check_given();
  const PostSpec spec = PostSpec::parse(transform_);
  const InputPlan plan = input_.plan();
  check_output(plan);
  EncodeOptions options = encode_.resolve();
  options.temperature = Temperature::parse(temperature_);
  options.state = parse_state(state_);
  const SentenceEncoder encoder = model_.load(false, encode_.options.prompt_name);
  PostFitter fitter(encoder.output_dim(options));
  const auto source = open_inputs(plan, input_.resolve());
  const bool interactive = is_interactive(STDERR_FILENO);
  std::vector<std::string> texts;
  const auto take = [&] {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const Embeddings embeddings = encoder.encode(views, options);
    std::vector<std::int64_t> tokens;
    tokens.reserve(embeddings.token_counts.size());
    for (const TokenCount& count : embeddings.token_counts) tokens.push_back(count.used);
    fitter.add(embeddings.values, tokens);
    texts.clear();
    if (interactive) say("\r\x1b[K{}", counted(fitter.texts(), "text"));
  };
  for (TextRecord record; source->next(record);) {
    texts.push_back(std::move(record.text));
    if (texts.size() == kChunkTexts) take();
  }
  take();
  if (interactive) say("\r\x1b[K");
  const PostTransform fitted = fitter.fit(spec, post_provenance(encoder, options));
  fitted.save(output_, force_ ? Existing::replace : Existing::refuse);
  say("done: {}, {} fitted on {}, {} to {} dimensions; use it with embed --post {}\n", output_,
      fitted.spec().to_string(), counted(fitted.provenance().texts, "text"), fitted.input_dim(), fitted.output_dim(),
      output_);
  return 0;
}

}  // namespace treble::cli
