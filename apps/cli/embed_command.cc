#include "embed_command.h"

#include <unistd.h>

#include <utility>

#include "fail.h"
#include "file_roles.h"
#include "interrupt.h"
#include "json.h"
#include "parquet_output.h"
#include "progress.h"
#include "ranges_file.h"
#include "standard_streams.h"
#include "summary.h"

namespace treble::cli {

namespace {

constexpr const char* kEmbedExamples =
    R"(Inputs: .txt is a text a line; .jsonl and .json are objects or strings; .csv, .tsv and .parquet are a row a text; in a
folder, and of .md and .rst, each file is a text. All but .parquet also as .gz or .zst. More: docs/inputs.md

Outputs: .npy is a matrix of --precision, described in a .npy.json beside it; .jsonl and stdout are an object a text; .parquet has
the columns id and embedding, and needs Python with pyarrow, as .parquet inputs do. Sparse outputs: .npz is what
scipy.sparse.load_npz reads, in .jsonl and stdout "embedding" is {token: weight}. Multi-vector outputs: .npz has values [vectors, dim]
and offsets [texts + 1], with --precision int8 scales [vectors]. They are whole or not there. More: docs/multi-vector.md

Ctrl-C leaves a valid output with the rows so far; the same command with --resume continues it. An output that --force
replaces stays as it is until the new one, NAME.partial, is whole.

Examples:
  export TREBLE_MODEL=models/all-MiniLM-L6-v2
  treble embed corpus.jsonl -o corpus.npy
  treble embed --temperature 0.8 notes/ -o notes.npy
  treble embed --text-field meta.abstract papers.jsonl.gz -o papers.npy
  treble embed --precision ubinary corpus.jsonl -o corpus.bits.npy
  treble embed -m models/splade --output-kind sparse corpus.jsonl -o corpus.npz
  treble embed -m models/colbert --output-kind multi-vector notes/ -o notes.npz
  echo "a letter from the harbour" | treble embed)";

}  // namespace

/// One run of the command, from the loaded model to the summary.
class EmbedCommand::Run {
 public:
  explicit Run(const EmbedCommand& command)
      : command_(command),
        options_(command.resolve()),
        plan_(command.input_.plan(command.quiet_)),
        // A progress line between the rows on one terminal would spoil both.
        line_(make_terminal_progress(!command.quiet_ && !(command.to_stdout() && ::isatty(STDOUT_FILENO) != 0))) {
    options_.progress = [this](const Progress&) { draw(); };
    command.check_output(plan_);
    if (!command.to_stdout()) file_.emplace(command.output_, command.mode(), vector_converter(command.output_));
  }

  int run() {
    const InterruptHandler interrupts(!command_.quiet_);
    options_.stop = interrupts.token();
    const double start = steady_seconds();
    const SentenceEncoder encoder = command_.model_.load(command_.quiet_, command_.encode_.options.prompt_name);
    const BulkJob job(encoder, options_);
    load_seconds_ = steady_seconds() - start;
    columns_ = job.quantizer().columns();
    embed(job);
    return report(summary(encoder.info(), job.dim()));
  }

 private:
  void embed(const BulkJob& job);
  void draw();
  EmbedSummary summary(const ModelInfo& model, std::int64_t dim) const;
  int report(const EmbedSummary& summary) const;

  const EmbedCommand& command_;
  BulkOptions options_;
  InputPlan plan_;
  ProgressLine line_;
  std::optional<VectorFile> file_;  ///< none for stdout
  double load_seconds_ = 0;
  std::int64_t columns_ = 0;  ///< of the output
  BulkResult result_;
};

void EmbedCommand::Run::draw() {
  line_.update(ProgressState{.texts = result_.texts(),
                             .tokens = result_.tokens_used(),
                             .bytes_read = result_.bytes_read,
                             .bytes_at_start = result_.bytes_skipped,
                             .total_bytes = plan_.total_bytes,
                             .seconds = result_.seconds});
}

void EmbedCommand::Run::embed(const BulkJob& job) {
  const auto source = open_inputs(plan_, command_.input_.resolve());
  const std::string inputs = dump(plan_.describe(), -1);
  if (file_) {
    file_->embed(job, *source, inputs, result_);
  } else {
    const auto sink = make_jsonl_sink(print_out, job, inputs);
    job.run(*source, *sink, result_);
  }
  line_.clear();
}

EmbedSummary EmbedCommand::Run::summary(const ModelInfo& model, std::int64_t dim) const {
  return {.result = &result_,
          .model = &model,
          .options = options_.encode,
          .dim = dim,
          .precision = options_.precision,
          .columns = columns_,
          .load_seconds = load_seconds_,
          .chunked = options_.chunks.has_value(),
          .output = !file_            ? ""
                    : result_.stopped ? file_->path()
                                      : command_.output_,
          .sidecar = file_ ? file_->sidecar() : ""};
}

int EmbedCommand::Run::report(const EmbedSummary& summary) const {
  if (command_.json_summary_ == "-") {
    print_out(summary_json(summary));
  } else if (!command_.json_summary_.empty()) {
    write_whole_file(command_.json_summary_, summary_json(summary), command_.existing_summary());
  }
  if (!command_.quiet_) {
    say(describe(summary));
    if (result_.stopped && file_) {
      if (file_->replaces()) say("{} is as it was; ", command_.output_);
      say("run the same command with --resume{} to continue\n", file_->replaces() ? " in place of --force" : "");
    }
  }
  return result_.stopped ? mapping(ErrorCode::interrupted).exit_code : 0;
}

void EmbedCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("embed", "Turn texts into vectors");
  const std::string group = "Output";
  command_->add_option("-o,--output", output_, "Where to: .npy, .jsonl, .parquet, or - for JSONL on stdout [-]")
      ->type_name("FILE")
      ->group(group);
  auto* force = command_->add_flag("--force", force_, "Replace an output that exists")->group(group);
  command_->add_flag("--resume", resume_, "Continue an output that was stopped; begin if there is none")
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
      ->add_option("--state", state_,
                   "Of Mamba-2 models, against the collapse of their state on long texts: rri:A,B, window:R, norm:P or "
                   "norm:FILE; none is the model as trained [none]")
      ->type_name("S")
      ->group("Vectors");
  command_
      ->add_option("--post", post_,
                   "A post-processing step, fitted by `treble fit`; or chunk-mean[:N], chunk-max[:N]: texts in pieces "
                   "of N tokens; late-chunk:N: read whole, pooled in pieces")
      ->type_name("FILE")
      ->group("Vectors");
  command_
      ->add_option("--precision", precision_,
                   "Of the output: float32, float16, int8, uint8 (both with --ranges), binary or ubinary (a bit a "
                   "dimension) [float32]")
      ->type_name("P")
      ->group("Vectors");
  command_
      ->add_option("--ranges", ranges_,
                   "Minimum and maximum of each dimension for int8 and uint8: of `treble fit --transform ranges`, "
                   "or a .npy of [2, dim]")
      ->type_name("FILE")
      ->group("Vectors");
  const std::string outputs = "Other outputs";
  command_
      ->add_option("--output-kind", output_kind_,
                   "What is made of a text: dense (a vector), sparse (a weight for tokens of the vocabulary: SPLADE, "
                   "BGE-M3), multi-vector (a vector for each token: ColBERT, BGE-M3) [dense]")
      ->type_name("KIND")
      ->group(outputs);
  command_
      ->add_option("--role", role_,
                   "What the texts are, for models that read the two differently: query or document; takes the model's "
                   "prompt of that name [as the model says]")
      ->type_name("ROLE")
      ->group(outputs);
  command_
      ->add_option("--max-active-dims", max_active_dims_,
                   "Of sparse outputs: keep the N greatest weights of a text [as the model says, or all]")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24))
      ->group(outputs);
  model_.add_to(*command_);
  encode_.add_to(*command_);
  input_.add_to(*command_);
  command_
      ->add_option("--chunk-texts", chunk_texts_,
                   "Maximum texts between two checkpoints of the output [about two seconds of work]")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
      ->group(group);
  command_->footer(kEmbedExamples);
}

void EmbedCommand::check_format() const {
  try {
    if (!to_stdout() && dense()) vector_format(output_);
  } catch (const Error& error) {
    fail(error.code(), "{}; - is stdout, as JSONL", error.what());
  }
}

void EmbedCommand::check_output(const InputPlan& plan) const {
  FileRoles roles;
  roles.reads(plan);
  roles.reads_model(model_.options.model);
  roles.reads_temperature(temperature_);
  roles.reads_state(state_);
  if (!ChunkOptions::names(post_)) roles.reads(post_, "--post");
  roles.reads(ranges_, "--ranges");
  roles.writes(output_.empty() ? "-" : output_, "-o");
  if (!to_stdout() && dense()) roles.writes(vector_sidecar(output_), "-o");
  roles.writes(json_summary_, "--json-summary");
  roles.check();
  if (!json_summary_.empty() && json_summary_ != "-") check_writable(json_summary_, existing_summary());
  if (!to_stdout()) return;
  if (resume_)
    fail(ErrorCode::invalid_argument, "--resume needs an output file; nothing of stdout is kept to continue");
  check_stdout();
}

EncodeOptions EmbedCommand::resolve_reading() const {
  EncodeOptions options = encode_.resolve();
  options.temperature = Temperature::parse(temperature_);
  options.state = parse_state(state_);
  return options;
}

BulkOptions EmbedCommand::resolve() const {
  BulkOptions options = {.encode = resolve_reading(), .batch_texts = chunk_texts_};
  read_post(post_, options);
  options.precision = parse_precision(precision_);
  options.ranges = read_ranges(ranges_);
  // Checked here, before the model is loaded.
  if (needs_ranges(options.precision) != options.ranges.has_value()) Quantizer(1, options.precision, options.ranges);
  return options;
}

VectorFileMode EmbedCommand::mode() const {
  if (resume_) return VectorFileMode::resume;
  return force_ ? VectorFileMode::replace : VectorFileMode::create;
}

/// A run that continues has the summary of the one before in its way.
Existing EmbedCommand::existing_summary() const { return force_ || resume_ ? Existing::replace : Existing::refuse; }

int EmbedCommand::run() const {
  input_.check_given();
  if (parse_output_kind(output_kind_) != OutputKind::dense) return run_outputs();
  if (!role_.empty() || max_active_dims_) {
    fail(ErrorCode::invalid_argument, "{} is of outputs that are not dense; add --output-kind",
         max_active_dims_ ? "--max-active-dims" : "--role");
  }
  check_format();
  return Run(*this).run();
}

}  // namespace treble::cli
