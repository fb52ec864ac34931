#include <array>
#include <utility>

#include "base/fail.h"
#include "base/json_text.h"
#include "base/required.h"
#include "bulk/batch_reader.h"
#include "bulk/batch_texts.h"
#include "bulk/metadata.h"
#include "treble/bulk_outputs.h"
#include "treble/provenance.h"

namespace treble {

using namespace internal;

namespace {

const std::vector<TokenCount>& counts_of(const Outputs& outputs) {
  return outputs.sparse ? outputs.sparse->token_counts : required(outputs.multi_vector).token_counts;
}

}  // namespace

OutputJob::OutputJob(const SentenceEncoder& encoder, OutputJobOptions options)
    : encoder_(encoder), options_(std::move(options)) {
  if (options_.kind == OutputKind::dense) {
    fail(ErrorCode::invalid_argument, "OutputJob makes sparse and multi-vector outputs; BulkJob makes dense vectors");
  }
  if (options_.batch_texts && *options_.batch_texts < 1) {
    fail(ErrorCode::invalid_argument, "OutputJobOptions::batch_texts is {}; it must be at least 1",
         *options_.batch_texts);
  }
  const bool multi_vector = options_.kind == OutputKind::multi_vector;
  if (options_.precision != Precision::float32 && !(multi_vector && options_.precision == Precision::int8)) {
    fail(ErrorCode::invalid_argument, "{} outputs are stored as {}, not as {}", to_string(options_.kind),
         multi_vector ? "float32 or int8" : "float32", to_string(options_.precision));
  }
  validate_outputs(encoder, {&options_.kind, 1}, options_.output);
  encoder.fingerprint();
}

std::string OutputJob::describe(std::string_view inputs) const {
  Json json = parse_ordered(provenance_json(encoder_, options_.kind, options_.output));
  json["precision"] = to_string(options_.precision);
  json["created"] = now_utc();
  json["inputs"] = try_parse_ordered(inputs);
  if (json["inputs"].is_discarded()) fail(ErrorCode::invalid_argument, "the description of the inputs is not JSON");
  return json_text(json);
}

void OutputJob::run(TextSource& source, OutputSink& sink, BulkResult& result) const {
  const double start = steady_seconds();
  const auto report_progress = [&] {
    result.seconds = steady_seconds() - start;
    if (options_.progress) options_.progress({.stage = "embedding", .done = result.texts()});
  };
  BatchReader reader(source, choose_batch_limits(encoder_.info(), options_.batch_texts, false), {}, options_.stop);
  report_progress();
  while (const auto batch = next_batch(reader, options_.stop, result.stopped)) {
    try {
      const Outputs outputs = encode_outputs(encoder_, texts_of(*batch), {&options_.kind, 1}, options_.output);
      sink.write(*batch, outputs);
      add_counts(counts_of(outputs), *batch, result.total);
    } catch (const Error& error) {
      throw with_place(error, *batch, source);
    }
    result.bytes_read = batch->bytes_read;
    report_progress();
  }
  result.total.complete = !result.stopped;
  if (!result.stopped) sink.finish(result.total);
  result.seconds = steady_seconds() - start;
}

}  // namespace treble
