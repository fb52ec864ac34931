// `treble embed --output-kind`: outputs other than dense vectors.
#include <unistd.h>

#include <memory>
#include <optional>

#include "embed_command.h"
#include "fail.h"
#include "interrupt.h"
#include "json.h"
#include "progress.h"
#include "standard_streams.h"
#include "summary.h"
#include "treble/bulk_outputs.h"

namespace treble::cli {

/// Options of dense vectors that would be without effect.
void EmbedCommand::check_output_kind() const {
  const auto refuse = [this](const char* option, const char* why) {
    fail(ErrorCode::invalid_argument, "{}: {} outputs {}", option, output_kind_, why);
  };
  if (!post_.empty()) refuse("--post", "have no such step");
  const bool multi_vector = output_kind_ == "multi-vector";
  if (precision_ != "float32" && !(multi_vector && precision_ == "int8")) {
    refuse("--precision", multi_vector ? "are float32 or int8" : "are float32");
  }
  if (!ranges_.empty()) refuse("--ranges", "have no ranges");
  if (resume_) refuse("--resume", "are written whole or not at all; start again with --force");
}

OutputJobOptions EmbedCommand::resolve_outputs() const {
  OutputJobOptions options;
  options.kind = parse_output_kind(output_kind_);
  options.output.encode = resolve_reading();
  if (!role_.empty()) options.output.role = parse_text_role(role_);
  options.output.max_active_dims = max_active_dims_;
  options.precision = parse_precision(precision_);
  options.batch_texts = chunk_texts_;
  return options;
}

int EmbedCommand::run_outputs() const {
  check_output_kind();
  OutputJobOptions options = resolve_outputs();
  const InputPlan plan = input_.plan(quiet_);
  check_output(plan);
  const Existing existing = force_ ? Existing::replace : Existing::refuse;
  if (!to_stdout()) check_writable(output_, existing);
  const InterruptHandler interrupts(!quiet_);
  options.stop = interrupts.token();
  BulkResult result;
  ProgressLine line(make_terminal_progress(!quiet_ && !(to_stdout() && ::isatty(STDOUT_FILENO) != 0)));
  options.progress = [&](const Progress&) {
    line.update(ProgressState{.texts = result.texts(),
                              .tokens = result.tokens_used(),
                              .bytes_read = result.bytes_read,
                              .bytes_at_start = 0,
                              .total_bytes = plan.total_bytes,
                              .seconds = result.seconds});
  };
  const double start = steady_seconds();
  const SentenceEncoder encoder = model_.load(quiet_, encode_.options.prompt_name);
  const OutputJob job(encoder, options);
  const double load_seconds = steady_seconds() - start;
  const std::string inputs = dump(plan.describe(), -1);
  const auto sink =
      to_stdout() ? make_output_jsonl(print_out, job, inputs) : make_output_file(output_, existing, job, inputs);
  const auto source = open_inputs(plan, input_.resolve());
  job.run(*source, *sink, result);
  line.clear();
  const ModelInfo& info = encoder.info();
  const std::int64_t dim = options.kind == OutputKind::sparse ? info.vocab_size : info.token_dim;
  const EmbedSummary summary{.result = &result,
                             .model = &encoder.info(),
                             .options = options.output.encode,
                             .kind = options.kind,
                             .dim = dim,
                             .columns = dim,
                             .load_seconds = load_seconds,
                             .output = to_stdout() ? "" : output_,
                             .sidecar = ""};
  if (json_summary_ == "-") {
    print_out(summary_json(summary));
  } else if (!json_summary_.empty()) {
    write_whole_file(json_summary_, summary_json(summary), existing_summary());
  }
  if (!quiet_) {
    say(describe(summary));
    if (result.stopped && !to_stdout()) say("nothing was written: {} outputs are whole or not there\n", output_kind_);
  }
  return result.stopped ? mapping(ErrorCode::interrupted).exit_code : 0;
}

}  // namespace treble::cli
