#include "fit_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <functional>
#include <utility>
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
  ranges              minimum and maximum of each dimension, for
                      embed --precision int8 --ranges FILE; after --post,
                      if the vectors will have one

Examples:
  export TREBLE_MODEL=models/all-MiniLM-L6-v2
  treble fit --transform all-but-the-top corpus.jsonl -o top.safetensors
  treble embed --post top.safetensors corpus.jsonl -o corpus.npy
  treble fit --transform ranges corpus.jsonl -o r.safetensors
  treble embed --precision int8 --ranges r.safetensors corpus.jsonl -o c.npy)";

/// As sentence-transformers: fewer vectors say little about the range of others.
constexpr std::int64_t kFewTexts = 100;

/// Hands the vectors of a job to a function.
class FitSink : public VectorSink {
 public:
  explicit FitSink(std::function<void(const Embeddings&)> take) : take_(std::move(take)) {}
  void write(const BulkBatch& /*batch*/, const Embeddings& embeddings) override { take_(embeddings); }
  void checkpoint(const BulkState& /*state*/) override {}

 private:
  std::function<void(const Embeddings&)> take_;
};

void run_job(const BulkJob& job, TextSource& source, std::function<void(const Embeddings&)> take) {
  FitSink sink(std::move(take));
  BulkResult result;
  job.run(source, sink, result);
  if (is_interactive(STDERR_FILENO)) say("\r\x1b[K");
}

}  // namespace

void FitCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand(
      "fit", "Fit a post-processing step (centring, whitening, …) or the ranges of int8 on unlabelled texts");
  const std::string group = "Fit";
  command_
      ->add_option("--transform", transform_,
                   "centring, whitening[:K], all-but-the-top[:D] or length-direction; or ranges, of vectors in 8 bits")
      ->type_name("NAME")
      ->required()
      ->group(group);
  command_->add_option("-o,--output", output_, "The file to write")
      ->type_name("FILE.safetensors")
      ->required()
      ->group(group);
  command_->add_option("-t,--temperature", temperature_, "Of the vectors it will be applied to [1]")
      ->type_name("T")
      ->group(group);
  command_->add_option("--state", state_, "Of the vectors it will be applied to, where the model has a state [none]")
      ->type_name("S")
      ->group(group);
  command_
      ->add_option("--post", post_, "A step that comes before what is fitted, as embed --post has it; for ranges alone")
      ->type_name("FILE")
      ->group(group);
  command_->add_flag("--force", force_, "Replace a file that exists")->group(group);
  model_.add_to(*command_);
  encode_.add_to(*command_);
  input_.add_to(*command_);
  command_->footer(kFitExamples);
}

void FitCommand::check_output(const InputPlan& plan) const {
  if (output_ == "-") {
    fail(ErrorCode::invalid_argument, "what is fitted is a binary file, which embed reads; name a file with -o");
  }
  FileRoles roles;
  roles.reads(plan);
  roles.reads_model(model_.options.model);
  roles.reads_temperature(temperature_);
  roles.reads_state(state_);
  if (!ChunkOptions::names(post_)) roles.reads(post_, "--post");
  roles.writes(output_, "-o");
  roles.check();
  check_writable(output_, existing());
}

PostSpec FitCommand::resolve_step() const {
  try {
    return PostSpec::parse(transform_);
  } catch (const Error& error) {
    fail(error.code(), "{}; or ranges, for embed --ranges", error.what());
  }
}

BulkOptions FitCommand::resolve() const {
  if (!of_ranges()) {
    resolve_step();
    if (!post_.empty()) fail(ErrorCode::invalid_argument, "--post goes with --transform ranges alone");
  }
  BulkOptions options = {.encode = encode_.resolve()};
  options.encode.temperature = Temperature::parse(temperature_);
  options.encode.state = parse_state(state_);
  read_post(post_, options);
  if (is_interactive(STDERR_FILENO)) {
    options.progress = [](const Progress& progress) { say("\r\x1b[K{}", counted(progress.done, "text")); };
  }
  return options;
}

void FitCommand::fit_step(const BulkJob& job, const PostProvenance& provenance, TextSource& source) const {
  PostFitter fitter(job.dim());
  run_job(job, source, [&](const Embeddings& embeddings) {
    std::vector<std::int64_t> tokens;
    tokens.reserve(embeddings.token_counts.size());
    for (const TokenCount& count : embeddings.token_counts) tokens.push_back(count.used);
    fitter.add(embeddings.values, tokens);
  });
  const PostTransform fitted = fitter.fit(resolve_step(), provenance);
  fitted.save(output_, existing());
  say("done: {}, {} fitted on {}, {} to {} dimensions; use it with embed --post {}\n", output_,
      fitted.spec().to_string(), counted(fitted.provenance().texts, "text"), fitted.input_dim(), fitted.output_dim(),
      output_);
}

void FitCommand::fit_ranges(const BulkJob& job, TextSource& source) const {
  VectorRanges ranges;
  run_job(job, source, [&](const Embeddings& embeddings) { ranges.add(embeddings.values, embeddings.dim); });
  if (ranges.texts < 2) {
    fail(ErrorCode::invalid_argument, "ranges need two texts at least, better thousands; there {} {}",
         ranges.texts == 1 ? "is" : "are", counted(ranges.texts, "text"));
  }
  ranges.vectors = job.describe();
  ranges.save(output_, existing());
  std::int64_t constant = 0;
  for (std::size_t i = 0; i < ranges.min.size(); ++i) constant += ranges.min[i] == ranges.max[i] ? 1 : 0;
  if (constant > 0) say("{} of {} dimensions have one value in all texts\n", constant, ranges.dim());
  if (ranges.texts < kFewTexts) {
    say("the ranges are of {} texts; of others much may lie outside and be clipped: fit them on more\n", ranges.texts);
  }
  say("done: {}, the ranges of {} dimensions in {}; use it with embed --precision int8 --ranges {}\n", output_,
      ranges.dim(), counted(ranges.texts, "text"), output_);
}

int FitCommand::run() const {
  input_.check_given();
  const BulkOptions options = resolve();
  const InputPlan plan = input_.plan();
  check_output(plan);
  const SentenceEncoder encoder = model_.load(false, encode_.options.prompt_name);
  const BulkJob job(encoder, options);
  const auto source = open_inputs(plan, input_.resolve());
  if (of_ranges()) {
    fit_ranges(job, *source);
  } else {
    fit_step(job, post_provenance(encoder, options.encode), *source);
  }
  return 0;
}

}  // namespace treble::cli
