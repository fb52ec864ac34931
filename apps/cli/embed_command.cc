#include "embed_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "fail.h"
#include "file_roles.h"
#include "output/jsonl_writer.h"
#include "output/npy_writer.h"
#include "output/row_file.h"
#include "post_step.h"
#include "standard_streams.h"
#include "summary.h"

namespace treble::cli {

namespace {

constexpr const char* kExamples =
    R"(Inputs: .txt is a text a line; .jsonl and .json are objects or strings; .csv, .tsv and .parquet are a row a text; in a
folder, and of .md and .rst, each file is a text. All but .parquet also as .gz or .zst. More: docs/inputs.md

Outputs: .npy is a float32 matrix, described in a .npy.json beside it; .jsonl and stdout are an object a text.

Ctrl-C leaves a valid output with the rows so far; the same command with --resume goes on. An output that --force replaces
stays as it is until the new one, NAME.partial, is whole.

Examples:
  export TREBLE_MODEL=models/all-MiniLM-L6-v2
  treble embed corpus.jsonl -o corpus.npy
  treble embed --temperature 0.8 notes/ -o notes.npy
  treble embed --text-field meta.abstract papers.jsonl.gz -o papers.npy
  echo "a letter from the harbour" | treble embed)";

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
    if (kind_ != OutputKind::stream) {
      rows_.emplace(command.output_, kind_, RowFile::Options{command.force_, command.resume_});
    }
  }

  int run() {
    const InterruptHandler handler(stop_, !command_.quiet_);
    load();
    open_output();
    embed();
    return report();
  }

 private:
  void load();
  void open_output();
  void start_output(Json metadata);
  void resume_output(SavedRun saved, const Json& metadata);
  void embed();
  void explain_failure(const Error& error);
  int report() const;
  EmbedSummary summary() const;

  const EmbedCommand& command_;
  OutputKind kind_;
  EncodeOptions options_;
  InputPlan plan_;
  StopSignal stop_;
  std::optional<RowFile> rows_;  ///< none for stdout
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
  dim_ = encoder_->output_dim(options_);
  encoder_->fingerprint();
  if (command_.post_.starts_with("chunk-")) {
    chunks_ = ChunkOptions::parse(command_.post_);
  } else if (!command_.post_.empty()) {
    post_.emplace(command_.post_, *encoder_, options_);
    dim_ = post_->output_dim();
  }
  load_seconds_ = steady_seconds() - start;
}

void EmbedCommand::Run::start_output(Json metadata) {
  switch (kind_) {
    case OutputKind::npy: writer_ = std::make_unique<NpyWriter>(*rows_, std::move(metadata), dim_); break;
    case OutputKind::jsonl: writer_ = std::make_unique<JsonlWriter>(*rows_, std::move(metadata)); break;
    case OutputKind::stream: writer_ = std::make_unique<JsonlStream>(metadata); break;
  }
}

void EmbedCommand::Run::resume_output(SavedRun saved, const Json& metadata) {
  check_same_run(saved.metadata, metadata, rows_->path());
  result_.before = saved.state.run;
  if (kind_ == OutputKind::npy) {
    writer_ = std::make_unique<NpyWriter>(*rows_, std::move(saved.metadata), saved.state, dim_);
  } else {
    writer_ = std::make_unique<JsonlWriter>(*rows_, std::move(saved.metadata), saved.state);
  }
}

void EmbedCommand::Run::open_output() {
  Json metadata = describe_run(*encoder_, options_, plan_.describe());
  metadata["dim"] = dim_;
  metadata["post"] = post_ ? post_->describe() : chunks_ ? Json{{"transform", chunks_->to_string()}} : Json();
  if (auto saved = rows_ ? rows_->saved() : std::nullopt) {
    resume_output(std::move(*saved), metadata);
  } else {
    start_output(std::move(metadata));
  }
}

void EmbedCommand::Run::embed() {
  const auto source = open_inputs(plan_, command_.input_.resolve(), &stop_);
  ChunkReader chunks(*source, choose_chunk_limits(encoder_->info(), command_.chunk_texts_),
                     {result_.before.count, result_.before.texts_sha256}, stop_);
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
    run_embed_job({chunks, encoder, *writer_, progress, stop_, plan_}, result_);
  } catch (const Error& error) {
    explain_failure(error);
    throw;
  }
  if (!rows_) return;
  rows_->keep();
  if (!result_.stopped) rows_->finish();
}

void EmbedCommand::Run::explain_failure(const Error& error) {
  // Without a row nothing is lost, and the corrected command shall not stumble over an empty file.
  if (!rows_ || result_.total.count == 0) return;
  rows_->keep();
  throw Error(error.code(),
              fmt::format("{}\n  {} has the {} before that; --resume goes on after {}", error.what(), rows_->path(),
                          counted(result_.total.count, "row"), result_.total.count == 1 ? "it" : "them"));
}

EmbedSummary EmbedCommand::Run::summary() const {
  return {.result = &result_,
          .model = &encoder_->info(),
          .options = options_,
          .dim = dim_,
          .load_seconds = load_seconds_,
          .chunked = chunks_.has_value(),
          .output = !rows_            ? ""
                    : result_.stopped ? rows_->path()
                                      : command_.output_,
          .sidecar = rows_ ? rows_->sidecar() : ""};
}

int EmbedCommand::Run::report() const {
  if (command_.json_summary_ == "-") {
    print_out(summary_json(summary()));
  } else if (!command_.json_summary_.empty()) {
    write_whole_file(command_.json_summary_, summary_json(summary()), command_.existing_summary());
  }
  if (!command_.quiet_) {
    say(describe(summary()));
    if (result_.stopped && rows_) {
      if (rows_->replaces()) say("{} is as it was; ", command_.output_);
      say("run the same command with --resume{} to go on\n", rows_->replaces() ? " in place of --force" : "");
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
  FileRoles roles;
  roles.reads(plan);
  roles.reads_model(model_.options.model);
  roles.reads_temperature(temperature_);
  if (!post_.starts_with("chunk-")) roles.reads(post_, "--post");
  roles.writes(output_.empty() ? "-" : output_, "-o");
  if (kind == OutputKind::npy) roles.writes(sidecar_path(output_), "-o");
  roles.writes(json_summary_, "--json-summary");
  roles.check();
  if (!json_summary_.empty() && json_summary_ != "-") check_writable(json_summary_, existing_summary());
  if (kind != OutputKind::stream) return;
  if (resume_) fail(ErrorCode::invalid_argument, "--resume needs an output file; stdout keeps nothing to go on with");
  check_stdout();
}

/// A run that goes on has the summary of the one before in its way.
Existing EmbedCommand::existing_summary() const { return force_ || resume_ ? Existing::replace : Existing::refuse; }

int EmbedCommand::run() const {
  input_.check_given();
  return Run(*this).run();
}

}  // namespace treble::cli
