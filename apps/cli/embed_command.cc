#include "embed_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <utility>

#include "fail.h"
#include "output/jsonl_writer.h"
#include "output/npy_writer.h"
#include "post_step.h"
#include "summary.h"

namespace treble::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kExamples =
    R"(Inputs:   .txt: a text a line. .jsonl, .json: objects or strings. .csv, .tsv, .parquet: a row a text.
          Folders, .md, .rst: a file a text. All but .parquet also as .gz or .zst. More: docs/inputs.md
Outputs:  .npy: a float32 matrix, described in a .npy.json beside it. .jsonl, or stdout: an object a text.
Ctrl-C leaves a valid output with the rows so far; the same command with --resume goes on.

Examples:
  treble embed --model models/all-MiniLM-L6-v2 corpus.jsonl -o corpus.npy
  treble embed --model models/all-MiniLM-L6-v2 --temperature 0.8 notes/ -o notes.npy
  treble embed --model models/all-MiniLM-L6-v2 --text-field meta.abstract papers.jsonl.gz -o papers.npy
  echo "a letter from the harbour" | treble embed --model models/all-MiniLM-L6-v2)";

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

/// One run of the command, from the loaded model to the summary.
class EmbedCommand::Run {
 public:
  explicit Run(const EmbedCommand& command)
      : command_(command),
        kind_(output_kind(command.output_)),
        options_(command.encode_.resolve()),
        plan_(command.input_.plan(command.quiet_)) {
    options_.temperature = Temperature::parse(command.temperature_);
    command.check_output(plan_);
  }

  int run() {
    load();
    open_output();
    embed();
    return report();
  }

 private:
  void load();
  void open_output();
  void start_output(OutputFile::Mode mode, Json metadata);
  void resume_output(const Json& metadata);
  void embed();
  void explain_failure(const Error& error) const;
  int report() const;
  EmbedSummary summary() const;

  const EmbedCommand& command_;
  OutputKind kind_;
  EncodeOptions options_;
  InputPlan plan_;
  std::optional<SentenceEncoder> encoder_;
  std::optional<PostStep> post_;
  std::optional<ChunkOptions> chunks_;
  double load_seconds_ = 0;
  std::int64_t dim_ = 0;
  std::unique_ptr<EmbeddingWriter> writer_;
  EmbedResult result_;
};

void EmbedCommand::Run::load() {
  const double start = steady_seconds();
  encoder_.emplace(command_.model_.load(command_.quiet_));
  // Encoding nothing checks every option, before any file is touched.
  dim_ = encoder_->encode({}, options_).dim;
  encoder_->weights_sha256();
  if (command_.post_.starts_with("chunk-")) {
    chunks_ = ChunkOptions::parse(command_.post_);
  } else if (!command_.post_.empty()) {
    post_.emplace(command_.post_, *encoder_, options_);
    dim_ = post_->output_dim();
  }
  load_seconds_ = steady_seconds() - start;
}

void EmbedCommand::Run::start_output(OutputFile::Mode mode, Json metadata) {
  switch (kind_) {
    case OutputKind::npy:
      writer_ = std::make_unique<NpyWriter>(command_.output_, mode, std::move(metadata), dim_);
      break;
    case OutputKind::jsonl: writer_ = std::make_unique<JsonlWriter>(command_.output_, mode, std::move(metadata)); break;
    case OutputKind::stream: writer_ = std::make_unique<JsonlStream>(STDOUT_FILENO, metadata); break;
  }
}

void EmbedCommand::Run::resume_output(const Json& metadata) {
  SavedRun saved = read_saved_run(command_.output_, kind_);
  check_same_run(saved.metadata, metadata, command_.output_);
  result_.before = saved.state.run;
  if (kind_ == OutputKind::npy) {
    writer_ = std::make_unique<NpyWriter>(command_.output_, std::move(saved.metadata), saved.state, dim_);
  } else {
    writer_ = std::make_unique<JsonlWriter>(command_.output_, std::move(saved.metadata), saved.state);
  }
}

void EmbedCommand::Run::open_output() {
  Json metadata = describe_run({.model = &encoder_->info(),
                                .weights_sha256 = encoder_->weights_sha256(),
                                .options = options_,
                                .special_tokens_as_text = command_.model_.options.special_tokens_as_text,
                                .dim = dim_,
                                .inputs = plan_.describe()});
  metadata["post"] = post_ ? post_->describe() : chunks_ ? Json{{"transform", chunks_->to_string()}} : Json();
  if (command_.resume_ && exists(command_.output_)) {
    resume_output(metadata);
  } else {
    start_output(command_.force_ ? OutputFile::Mode::overwrite : OutputFile::Mode::create, std::move(metadata));
  }
}

void EmbedCommand::Run::embed() {
  StopSignal stop;
  const InterruptHandler handler(stop, !command_.quiet_);
  const auto source = open_inputs(plan_, command_.input_.resolve(), &stop);
  ChunkReader chunks(*source, choose_chunk_limits(encoder_->info(), command_.chunk_texts_),
                     {result_.before.count, result_.before.texts_sha256}, stop);
  ModelEncoder model(*encoder_, options_);
  std::optional<PostEncoder> with_step;
  if (post_) with_step.emplace(model, *post_);
  std::optional<ChunkEncoder> in_pieces;
  if (chunks_) in_pieces.emplace(*encoder_, options_, *chunks_);
  TextEncoder& encoder = with_step   ? static_cast<TextEncoder&>(*with_step)
                         : in_pieces ? static_cast<TextEncoder&>(*in_pieces)
                                     : model;
  // A progress line between the rows on one terminal would spoil both.
  const bool shared_terminal = kind_ == OutputKind::stream && ::isatty(STDOUT_FILENO) != 0;
  Progress progress = make_terminal_progress(!command_.quiet_ && !shared_terminal);
  try {
    run_embed_job({chunks, encoder, *writer_, progress, stop, plan_}, result_);
  } catch (const Error& error) {
    explain_failure(error);
    throw;
  }
}

void EmbedCommand::Run::explain_failure(const Error& error) const {
  if (kind_ == OutputKind::stream) return;
  if (result_.total.count == 0) {
    // Nothing is lost, and the corrected command shall not stumble over an empty file.
    ::unlink(command_.output_.c_str());
    if (kind_ == OutputKind::npy) ::unlink(sidecar_path(command_.output_).c_str());
    return;
  }
  throw Error(error.code(), fmt::format("{}\n  {} has the {} rows before that; --resume goes on after them",
                                        error.what(), command_.output_, grouped(result_.total.count)));
}

EmbedSummary EmbedCommand::Run::summary() const {
  return {.result = &result_,
          .model = &encoder_->info(),
          .options = options_,
          .dim = dim_,
          .load_seconds = load_seconds_,
          .output = kind_ == OutputKind::stream ? "" : command_.output_};
}

int EmbedCommand::Run::report() const {
  if (!command_.json_summary_.empty()) replace_file(command_.json_summary_, summary_json(summary()));
  if (!command_.quiet_) {
    fmt::print(stderr, "{}", describe(summary()));
    if (result_.stopped && kind_ != OutputKind::stream) {
      fmt::print(stderr, "run the same command with --resume to go on\n");
    }
  }
  return result_.stopped ? mapping(ErrorCode::interrupted).exit_code : 0;
}

void EmbedCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("embed", "Turn texts into vectors");
  const std::string group = "Output";
  command_->add_option("-o,--output", output_, "Where to: .npy, .jsonl, or - for JSONL on stdout [-]")
      ->type_name("FILE")
      ->group(group);
  auto* force = command_->add_flag("--force", force_, "Replace an output that exists")->group(group);
  command_->add_flag("--resume", resume_, "Go on with an output that was stopped; begin if there is none")
      ->excludes(force)
      ->group(group);
  command_->add_option("--json-summary", json_summary_, "Write counts, speed and memory as JSON to this file")
      ->type_name("FILE")
      ->group(group);
  command_->add_flag("-q,--quiet", quiet_, "Say nothing but errors")->group(group);
  command_
      ->add_option("-t,--temperature", temperature_,
                   "Of attention: 0.8, log:N0, ssmax:S[,B], yarn:N0 or a profile; below 1 sharpens, 1 is the model as "
                   "trained [1]")
      ->type_name("T")
      ->group("Vectors");
  command_
      ->add_option("--post", post_,
                   "A step behind the model, fitted by `treble fit`; or chunk-mean[:N], chunk-max[:N]: texts in pieces "
                   "of N tokens")
      ->type_name("FILE")
      ->group("Vectors");
  model_.add_to(*command_);
  encode_.add_to(*command_);
  input_.add_to(*command_);
  command_->add_option("--chunk-texts", chunk_texts_, "Most texts between two safe points of the output [by the work]")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
      ->group(group);
  command_->footer(kExamples);
}

void EmbedCommand::check_output(const InputPlan& plan) const {
  const OutputKind kind = output_kind(output_);
  if (kind == OutputKind::stream) {
    if (resume_) fail(ErrorCode::invalid_argument, "--resume needs an output file; stdout keeps nothing to go on with");
    return;
  }
  for (const auto& file : plan.files) {
    std::error_code ignored;
    if (file.path != "-" && fs::equivalent(file.path, output_, ignored)) {
      fail(ErrorCode::invalid_argument, "{} is input and output at once; write somewhere else", output_);
    }
  }
  const bool resumes = resume_ && exists(output_);
  if (!force_ && !resumes) check_not_there(output_, kind);
}

int EmbedCommand::run() const {
  input_.check_given();
  return Run(*this).run();
}

}  // namespace treble::cli
