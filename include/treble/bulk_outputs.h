// Any number of texts to outputs other than dense vectors, in order, to a file that appears when it is whole.
// `treble embed --output-kind` is made of this; docs/outputs.md describes its files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "treble/bulk.h"
#include "treble/export.h"
#include "treble/output_options.h"
#include "treble/outputs.h"
#include "treble/whole_file.h"

namespace treble {

/// How a corpus is turned into outputs.
struct OutputJobOptions {
  OutputKind kind = OutputKind::sparse;  ///< not dense, which BulkJob makes
  OutputOptions output = {};
  /// What a file stores: float32, or of multi-vector outputs int8 (to_int8 of treble/multi_vector.h).
  Precision precision = Precision::float32;
  std::optional<std::int64_t> batch_texts = {};  ///< as BulkOptions::batch_texts
  ProgressCallback progress = {};                ///< as BulkOptions::progress
  std::stop_token stop = {};                     ///< heard between batches; the sink is not finished then
};

/// Where outputs go, in the order of the texts.
class TREBLE_API OutputSink {
 public:
  OutputSink() = default;
  virtual ~OutputSink() = default;
  OutputSink(const OutputSink&) = delete;
  OutputSink& operator=(const OutputSink&) = delete;

  /// Appends a row for each text of `batch`; `outputs` has the job's kind alone.
  virtual void write(const BulkBatch& batch, const Outputs& outputs) = 0;
  /// After the last text; `state` describes all rows.
  virtual void finish(const BulkState& state) = 0;
};

/// A model with options, ready to work.
class OutputJob {
 public:
  /// Checks every option before any long work; `encoder` must outlive the job. Throws what encode_outputs throws for
  /// such options, Error{invalid_argument} for dense.
  TREBLE_API OutputJob(const SentenceEncoder& encoder, OutputJobOptions options);

  const SentenceEncoder& encoder() const noexcept { return encoder_; }
  OutputKind kind() const noexcept { return options_.kind; }
  Precision precision() const noexcept { return options_.precision; }

  /// What an output says about itself: provenance_json (treble/provenance.h) of this kind, "created" (now, UTC) and
  /// "inputs". `inputs`: JSON that says where the texts come from.
  TREBLE_API std::string describe(std::string_view inputs = "null") const;

  /// To the end of the source, or until a stop is requested. Errors about one text name its place. Throws what source,
  /// sink and encode_outputs throw.
  TREBLE_API void run(TextSource& source, OutputSink& sink, BulkResult& result) const;

 private:
  const SentenceEncoder& encoder_;
  OutputJobOptions options_;
};

/// A header line {"treble": metadata}, then an object a text. Of sparse outputs "embedding" is {token: weight} by
/// descending weight (decode_sparse), of multi-vector outputs a list of vectors. Throws Error{invalid_argument} for a
/// precision other than float32.
TREBLE_API std::unique_ptr<OutputSink> make_output_jsonl(std::function<void(std::string_view)> write,
                                                         const OutputJob& job, std::string_view inputs = "null");

/// A file by its name: .jsonl or .ndjson as above, or .npz, arrays of numpy. Of sparse outputs what
/// scipy.sparse.load_npz reads as csr_matrix: data, indices, indptr, shape, format, kept in memory until the end; of
/// multi-vector outputs values [vectors, dim], written as they come, offsets [texts + 1], and with int8 scales
/// [vectors]; beside them "treble", the metadata as JSON text. The file gets its name when the job is done; until then,
/// and after an error or a stop, what had it stays. Throws what WholeFile throws, Error{invalid_argument} for another
/// name.
TREBLE_API std::unique_ptr<OutputSink> make_output_file(const std::filesystem::path& path, Existing existing,
                                                        const OutputJob& job, std::string_view inputs = "null");

}  // namespace treble
