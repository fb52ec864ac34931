#include "bulk/multi_vector_files.h"

#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "base/npz_writer.h"
#include "base/required.h"
#include "bulk/jsonl_writer.h"
#include "bulk/metadata.h"

namespace treble::internal {

namespace {

/// The shortest decimals that read back as the same float32.
std::string vectors_json(const TokenVectors& vectors) {
  std::string json = "[";
  const auto dim = static_cast<std::size_t>(vectors.dim);
  for (std::size_t i = 0; i < vectors.values.size(); ++i) {
    json += fmt::format("{}{}", i % dim != 0 ? "," : i == 0 ? "[" : "],[", vectors.values[i]);
  }
  return json + (vectors.values.empty() ? "]" : "]]");
}

class MultiVectorJsonl : public OutputSink {
 public:
  MultiVectorJsonl(std::function<void(std::string_view)> write, const OutputJob& job, std::string_view inputs)
      : write_(std::move(write)) {
    write_(json_text(Json{{"treble", parse_ordered(job.describe(inputs))}}) + "\n");
  }

  void write(const BulkBatch& batch, const Outputs& outputs) override {
    const MultiVectors& vectors = required(outputs.multi_vector);
    fmt::memory_buffer rows;
    for (std::int64_t row = 0; row < vectors.count; ++row) {
      const auto r = static_cast<std::size_t>(row);
      append_row(batch.first_index + row, batch.records[r], vectors_json(vectors.row(row)), vectors.token_counts[r],
                 rows);
    }
    write_({rows.data(), rows.size()});
  }
  void finish(const BulkState& /*state*/) override {}

 private:
  std::function<void(std::string_view)> write_;
};

class MultiVectorNpz : public OutputSink {
 public:
  MultiVectorNpz(const std::filesystem::path& path, Existing existing, const OutputJob& job, std::string_view inputs)
      : file_(path, existing),
        npz_(file_),
        metadata_(parse_ordered(job.describe(inputs))),
        int8_(job.precision() == Precision::int8) {
    npz_.begin("values", int8_ ? NpyType::int8 : NpyType::float32, job.encoder().info().token_dim);
  }

  void write(const BulkBatch& /*batch*/, const Outputs& outputs) override {
    const MultiVectors& vectors = required(outputs.multi_vector);
    const std::int64_t before = offsets_.back();
    for (std::size_t i = 1; i < vectors.offsets.size(); ++i) offsets_.push_back(before + vectors.offsets[i]);
    if (!int8_) return npz_.append(std::span<const float>(vectors.values));
    const Int8MultiVectors codes = to_int8(vectors);
    npz_.append(std::span<const std::int8_t>(codes.codes));
    scales_.insert(scales_.end(), codes.scales.begin(), codes.scales.end());
  }

  void finish(const BulkState& state) override {
    npz_.end();
    npz_.add("offsets", NpyType::int64, std::span<const std::int64_t>(offsets_));
    if (int8_) npz_.add("scales", NpyType::float32, std::span<const float>(scales_));
    Json metadata = with_state(metadata_, state, 0);
    metadata.erase("resume");
    npz_.add_text("treble", json_text(metadata));
    npz_.finish();
    file_.commit();
  }

 private:
  WholeFile file_;
  NpzWriter npz_;
  Json metadata_;
  bool int8_;
  std::vector<std::int64_t> offsets_ = {0};
  std::vector<float> scales_;
};

}  // namespace

std::unique_ptr<OutputSink> make_multi_vector_jsonl(std::function<void(std::string_view)> write, const OutputJob& job,
                                                    std::string_view inputs) {
  return std::make_unique<MultiVectorJsonl>(std::move(write), job, inputs);
}

std::unique_ptr<OutputSink> make_multi_vector_npz(const std::filesystem::path& path, Existing existing,
                                                  const OutputJob& job, std::string_view inputs) {
  return std::make_unique<MultiVectorNpz>(path, existing, job, inputs);
}

}  // namespace treble::internal
