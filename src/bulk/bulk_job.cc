#include <string>
#include <utility>

#include "base/fail.h"
#include "base/json_text.h"
#include "bulk/batch_reader.h"
#include "bulk/batch_texts.h"
#include "bulk/metadata.h"
#include "treble/bulk.h"
#include "treble/post_transform.h"
#include "treble/provenance.h"

namespace treble {

using namespace internal;

namespace {

/// The shortest decimals, of which the double that JSON holds is not the float itself but its spelling.
Json short_numbers(std::span<const float> values) {
  Json list = Json::array();
  for (const float value : values) list.push_back(std::stod(fmt::format("{}", value)));
  return list;
}

Json describe_ranges(const VectorRanges& ranges) {
  return {{"file", ranges.file.empty() ? Json() : Json(ranges.file.string())},
          {"fitted_on_texts", ranges.texts > 0 ? Json(ranges.texts) : Json()},
          {"sha256", ranges.sha256()},
          {"min", short_numbers(ranges.min)},
          {"max", short_numbers(ranges.max)}};
}

class CallbackSource : public TextSource {
 public:
  explicit CallbackSource(std::function<bool(TextRecord&)> next) : next_(std::move(next)) {}
  bool next(TextRecord& record) override { return next_(record); }

 private:
  std::function<bool(TextRecord&)> next_;
};

}  // namespace

struct BulkJob::Impl {
  Impl(const SentenceEncoder& the_encoder, BulkOptions the_options)
      : encoder(the_encoder), options(std::move(the_options)) {}

  Embeddings encode(std::span<const std::string_view> texts) const;
  Embeddings encode_batch(const BulkBatch& batch, const TextSource& source) const;
  static void write_batch(const BulkBatch& batch, const Embeddings& embeddings, const TextSource& source,
                          VectorSink& sink);
  void embed_all(TextSource& source, VectorSink& sink, BulkResult& result) const;

  const SentenceEncoder& encoder;
  BulkOptions options;
  std::optional<PostTransform> post;
  std::unique_ptr<const Quantizer> quantizer = {};  ///< set by the constructor
};

Embeddings BulkJob::Impl::encode(std::span<const std::string_view> texts) const {
  if (options.chunks) return encode_chunked(encoder, texts, options.encode, *options.chunks);
  Embeddings embeddings = encoder.encode(texts, options.encode);
  if (post) {
    embeddings.values = post->apply(embeddings.values, options.encode.normalize.value_or(encoder.info().normalizes));
    embeddings.dim = post->output_dim();
  }
  return embeddings;
}

Embeddings BulkJob::Impl::encode_batch(const BulkBatch& batch, const TextSource& source) const {
  try {
    return encode(texts_of(batch));
  } catch (const Error& error) {
    throw with_place(error, batch, source);
  }
}

void BulkJob::Impl::write_batch(const BulkBatch& batch, const Embeddings& embeddings, const TextSource& source,
                                VectorSink& sink) {
  try {
    sink.write(batch, embeddings);
  } catch (const Error& error) {
    // A sink may throw a class of its own.
    if (!error.text_index()) throw;
    throw with_place(error, batch, source);
  }
}

void BulkJob::Impl::embed_all(TextSource& source, VectorSink& sink, BulkResult& result) const {
  const double start = steady_seconds();
  const auto report_progress = [&] {
    result.seconds = steady_seconds() - start;
    if (options.progress) options.progress({.stage = "embedding", .done = result.texts()});
  };
  result.total = result.before;
  result.total.complete = false;
  BatchReader reader(source, choose_batch_limits(encoder.info(), options.batch_texts, options.chunks.has_value()),
                     {result.before.count, result.before.texts_sha256}, options.stop);
  report_progress();
  while (const auto batch = next_batch(reader, options.stop, result.stopped)) {
    const Embeddings embeddings = encode_batch(*batch, source);
    BulkState state = result.total;
    add_counts(embeddings.token_counts, *batch, state);
    write_batch(*batch, embeddings, source, sink);
    sink.checkpoint(state);
    result.total = std::move(state);
    result.bytes_read = batch->bytes_read;
    result.bytes_skipped = reader.bytes_skipped();
    if (const auto& ranges = quantizer->ranges()) result.clipped_values += ranges->count_outside(embeddings.values);
    report_progress();
  }
  result.total.complete = !result.stopped;
  sink.checkpoint(result.total);
  result.seconds = steady_seconds() - start;
}

BulkJob::BulkJob(const SentenceEncoder& encoder, BulkOptions options)
    : impl_(std::make_unique<Impl>(encoder, std::move(options))) {
  const BulkOptions& chosen = impl_->options;
  if (chosen.chunks && !chosen.post.empty()) {
    fail(ErrorCode::invalid_argument, "BulkOptions::chunks and BulkOptions::post exclude each other");
  }
  if (chosen.batch_texts && *chosen.batch_texts < 1) {
    fail(ErrorCode::invalid_argument, "BulkOptions::batch_texts is {}; it must be at least 1", *chosen.batch_texts);
  }
  // Encoding nothing checks every option.
  std::int64_t dim = encoder.encode({}, chosen.encode).dim;
  encoder.fingerprint();
  if (!chosen.post.empty()) {
    impl_->post = PostTransform::load(chosen.post);
    check_post(*impl_->post, chosen.post, encoder, chosen.encode);
    dim = impl_->post->output_dim();
  }
  impl_->quantizer = std::make_unique<const Quantizer>(dim, chosen.precision, chosen.ranges);
  if (chosen.ranges) check_ranges(*chosen.ranges, describe());
}

BulkJob::~BulkJob() = default;

std::int64_t BulkJob::dim() const noexcept { return impl_->quantizer->dim(); }

const Quantizer& BulkJob::quantizer() const noexcept { return *impl_->quantizer; }

std::string BulkJob::describe(std::string_view inputs) const {
  Json json = parse_ordered(provenance_json(impl_->encoder, impl_->options.encode));
  json["created"] = now_utc();
  json["inputs"] = try_parse_ordered(inputs);
  if (json["inputs"].is_discarded()) fail(ErrorCode::invalid_argument, "the description of the inputs is not JSON");
  json["dim"] = dim();
  json["post"] = nullptr;
  if (const auto& post = impl_->post) {
    json["post"] = {{"transform", post->spec().to_string()},
                    {"file", impl_->options.post.string()},
                    {"fitted_on_texts", post->provenance().texts},
                    {"input_dim", post->input_dim()},
                    {"sha256", post->sha256()}};
  } else if (const auto& chunks = impl_->options.chunks) {
    json["post"] = {{"transform", chunks->to_string()}};
  }
  json["precision"] = to_string(impl_->options.precision);
  if (const auto& ranges = impl_->options.ranges) json["ranges"] = describe_ranges(*ranges);
  return json_text(json);
}

void BulkJob::run(TextSource& source, VectorSink& sink, BulkResult& result) const {
  try {
    impl_->embed_all(source, sink, result);
  } catch (...) {
    sink.roll_back();
    throw;
  }
}

std::unique_ptr<TextSource> make_text_source(std::function<bool(TextRecord&)> next) {
  return std::make_unique<CallbackSource>(std::move(next));
}

}  // namespace treble
