// The files of outputs that are not dense.
#include <fmt/format.h>

#include <array>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "base/npz_writer.h"
#include "base/required.h"
#include "bulk/jsonl_writer.h"
#include "bulk/metadata.h"
#include "bulk/multi_vector_files.h"
#include "treble/bulk_outputs.h"

namespace treble {

using namespace internal;

namespace {

/// {"token": weight, …} by descending weight; the shortest decimals that read back as the same float32.
std::string weights_json(const std::vector<WeightedToken>& tokens) {
  std::string json = "{";
  for (const WeightedToken& token : tokens) {
    json += fmt::format("{}{}:{}", json.size() > 1 ? "," : "", json_text(Json(token.token)), token.weight);
  }
  return json + "}";
}

class SparseJsonl : public OutputSink {
 public:
  SparseJsonl(std::function<void(std::string_view)> write, const OutputJob& job, std::string_view inputs)
      : write_(std::move(write)), encoder_(job.encoder()) {
    write_(json_text(Json{{"treble", parse_ordered(job.describe(inputs))}}) + "\n");
  }

  void write(const BulkBatch& batch, const Outputs& outputs) override {
    const SparseVectors& sparse = required(outputs.sparse);
    fmt::memory_buffer rows;
    for (std::int64_t row = 0; row < sparse.count; ++row) {
      const auto r = static_cast<std::size_t>(row);
      append_row(batch.first_index + row, batch.records[r], weights_json(decode_sparse(encoder_, sparse.row(row))),
                 sparse.token_counts[r], rows);
    }
    write_({rows.data(), rows.size()});
  }
  void finish(const BulkState& /*state*/) override {}

 private:
  std::function<void(std::string_view)> write_;
  const SentenceEncoder& encoder_;
};

class JsonlFile : public OutputSink {
 public:
  JsonlFile(const std::filesystem::path& path, Existing existing, const OutputJob& job, std::string_view inputs)
      : file_(path, existing),
        rows_(make_output_jsonl([this](std::string_view text) { file_.write(text); }, job, inputs)) {}

  void write(const BulkBatch& batch, const Outputs& outputs) override { rows_->write(batch, outputs); }
  void finish(const BulkState& state) override {
    rows_->finish(state);
    file_.commit();
  }

 private:
  WholeFile file_;
  std::unique_ptr<OutputSink> rows_;
};

class SparseNpz : public OutputSink {
 public:
  SparseNpz(const std::filesystem::path& path, Existing existing, const OutputJob& job, std::string_view inputs)
      : file_(path, existing), metadata_(parse_ordered(job.describe(inputs))), dim_(job.encoder().info().vocab_size) {}

  void write(const BulkBatch& /*batch*/, const Outputs& outputs) override {
    const SparseVectors& sparse = required(outputs.sparse);
    const std::int64_t before = offsets_.back();
    for (std::size_t i = 1; i < sparse.offsets.size(); ++i) offsets_.push_back(before + sparse.offsets[i]);
    indices_.insert(indices_.end(), sparse.indices.begin(), sparse.indices.end());
    values_.insert(values_.end(), sparse.values.begin(), sparse.values.end());
  }

  void finish(const BulkState& state) override {
    NpzWriter npz(file_);
    npz.add("indices", NpyType::int32, std::span<const std::int32_t>(indices_));
    npz.add("indptr", NpyType::int64, std::span<const std::int64_t>(offsets_));
    npz.add_text("format", "csr");
    const std::array shape = {std::ssize(offsets_) - 1, dim_};
    npz.add("shape", NpyType::int64, std::span<const std::int64_t>(shape));
    npz.add("data", NpyType::float32, std::span<const float>(values_));
    Json metadata = with_state(metadata_, state, 0);
    metadata.erase("resume");
    npz.add_text("treble", json_text(metadata));
    npz.finish();
    file_.commit();
  }

 private:
  WholeFile file_;
  Json metadata_;
  std::int64_t dim_;
  std::vector<std::int64_t> offsets_ = {0};
  std::vector<std::int32_t> indices_;
  std::vector<float> values_;
};

}  // namespace

std::unique_ptr<OutputSink> make_output_jsonl(std::function<void(std::string_view)> write, const OutputJob& job,
                                              std::string_view inputs) {
  if (job.precision() != Precision::float32) {
    fail(ErrorCode::invalid_argument, "JSONL holds float32; {} is stored in .npz", to_string(job.precision()));
  }
  if (job.kind() == OutputKind::multi_vector) return make_multi_vector_jsonl(std::move(write), job, inputs);
  return std::make_unique<SparseJsonl>(std::move(write), job, inputs);
}

std::unique_ptr<OutputSink> make_output_file(const std::filesystem::path& path, Existing existing, const OutputJob& job,
                                             std::string_view inputs) {
  const std::string extension = path.extension().string();
  if (extension == ".npz" && job.kind() == OutputKind::multi_vector) {
    return make_multi_vector_npz(path, existing, job, inputs);
  }
  if (extension == ".npz") return std::make_unique<SparseNpz>(path, existing, job, inputs);
  if (extension == ".jsonl" || extension == ".ndjson") {
    return std::make_unique<JsonlFile>(path, existing, job, inputs);
  }
  fail_file(path, ErrorCode::invalid_argument, "{} outputs are written as .npz or .jsonl", to_string(job.kind()));
}

}  // namespace treble
