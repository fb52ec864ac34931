// Any number of texts to vectors, in bounded memory: a source gives the texts, a sink takes the vectors, and what was
// stopped is resumed. `treble embed` is made of this; docs/outputs.md describes its files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "treble/chunking.h"
#include "treble/export.h"
#include "treble/options.h"
#include "treble/precision.h"
#include "treble/progress.h"
#include "treble/sentence_encoder.h"

namespace treble {

/// One text of a source.
struct TextRecord {
  std::string text;        ///< valid UTF-8; may be empty, may hold NUL
  std::string id;          ///< the source's own id as JSON ("\"doc7\"", "7"); empty: it has none
  std::size_t file = 0;    ///< for TextSource::place: which of the source's files it is from
  std::uint64_t line = 1;  ///< and where in that file it begins
  std::string label = {};  ///< its class, where a source was asked for one; empty: it has none
};

/// Where texts come from. A job calls next(), bytes_read() and replaced() from one thread of its own, one batch ahead
/// of what is being embedded; place() and stop() may be called from other threads meanwhile.
class TREBLE_API TextSource {
 public:
  TextSource() = default;
  virtual ~TextSource() = default;
  TextSource(const TextSource&) = delete;
  TextSource& operator=(const TextSource&) = delete;

  /// The next text; false at the end. What it throws ends the job after the texts before it are embedded.
  virtual bool next(TextRecord& record) = 0;
  /// Bytes of input up to the end of the last text given; 0 where that means nothing.
  virtual std::uint64_t bytes_read() const { return 0; }
  /// How many U+FFFD were put in for invalid UTF-8 so far.
  virtual std::int64_t replaced() const { return 0; }
  /// Where a text of next() is from, for messages: "corpus.jsonl:17"; empty: there is nothing to say.
  virtual std::string place(const TextRecord& /*record*/) const { return {}; }
  /// The job wants no more texts: a next() that waits for input should throw Error{interrupted} soon.
  virtual void stop() noexcept {}
};

/// A source whose next() is `next`.
TREBLE_API std::unique_ptr<TextSource> make_text_source(std::function<bool(TextRecord&)> next);

/// How far a job has come. Counts are of all rows in the output, those of earlier runs included.
struct BulkState {
  std::int64_t count = 0;                ///< rows
  std::int64_t tokens = 0;               ///< that the texts have
  std::int64_t tokens_used = 0;          ///< that the model read
  std::int64_t truncated_texts = 0;      ///< of which it read fewer
  std::int64_t replaced_characters = 0;  ///< put in place of invalid UTF-8
  std::string texts_sha256;              ///< of the texts and ids of all rows
  bool complete = false;                 ///< the source has come to its end

  std::int64_t tokens_lost() const noexcept { return tokens - tokens_used; }  ///< to truncation
};

/// What is embedded at a time.
struct BulkBatch {
  std::vector<TextRecord> records;  ///< at least one
  std::int64_t first_index = 0;     ///< of the first text, in the whole input
  std::uint64_t bytes_read = 0;     ///< TextSource::bytes_read after its last text
  std::int64_t replaced = 0;        ///< TextSource::replaced after its last text
  std::string texts_sha256;         ///< of all texts from the start of the input to its last text
};

/// Where vectors go. Rows come in order. After each checkpoint the output is valid as it is, whatever happens to the
/// process; rows written since do not count.
class TREBLE_API VectorSink {
 public:
  VectorSink() = default;
  virtual ~VectorSink() = default;
  VectorSink(const VectorSink&) = delete;
  VectorSink& operator=(const VectorSink&) = delete;

  /// Appends one row for each text of `batch`.
  virtual void write(const BulkBatch& batch, const Embeddings& embeddings) = 0;
  /// Makes the rows written so far count; `state` describes them.
  virtual void checkpoint(const BulkState& state) = 0;
  /// After an error: drops what was written since the last checkpoint.
  virtual void roll_back() noexcept {}
};

/// How a corpus is embedded.
struct BulkOptions {
  EncodeOptions encode = {};  ///< as for SentenceEncoder::encode
  /// Long texts in pieces (treble/chunking.h); excludes `post`.
  std::optional<ChunkOptions> chunks = {};
  /// A file of a PostTransform, which must have been fitted on vectors of this model under these options; empty: none.
  std::filesystem::path post = {};
  /// What a VectorFile and make_jsonl_sink store; other sinks get float32.
  Precision precision = Precision::float32;
  /// For int8 and uint8, of vectors under these options (check_ranges of treble/provenance.h).
  std::optional<VectorRanges> ranges = {};
  /// Texts of a batch at most. Unset: as many as make about two seconds of work, and never more than 16 MiB.
  std::optional<std::int64_t> batch_texts = {};
  /// Stage "embedding"; steps are texts of this run, the total is unknown. BulkResult is up to date when it is called.
  ProgressCallback progress = {};
  /// Heard between batches: the batch in flight is still embedded and written.
  std::stop_token stop = {};
};

/// What a run did.
struct BulkResult {
  BulkState before;                 ///< rows of earlier runs
  BulkState total;                  ///< rows in the output now
  std::uint64_t bytes_read = 0;     ///< of the source, up to the last row
  std::uint64_t bytes_skipped = 0;  ///< those of `before`
  double seconds = 0;               ///< reading, encoding and writing
  bool stopped = false;             ///< on request, before the end of the source
  std::int64_t clipped_values = 0;  ///< numbers of this run that lay outside BulkOptions::ranges

  std::int64_t texts() const noexcept { return total.count - before.count; }     ///< embedded by this run
  std::int64_t tokens() const noexcept { return total.tokens - before.tokens; }  ///< of them
  std::int64_t tokens_used() const noexcept { return total.tokens_used - before.tokens_used; }  ///< of them
};

/// A model with options, ready to embed.
class BulkJob {
 public:
  /// Checks every option before any long work. `encoder` must outlive the job. Throws what SentenceEncoder::encode
  /// throws for such options, and what PostTransform::load, Quantizer, check_post and check_ranges
  /// (treble/provenance.h) throw.
  TREBLE_API BulkJob(const SentenceEncoder& encoder, BulkOptions options);
  TREBLE_API ~BulkJob();
  BulkJob(const BulkJob&) = delete;
  BulkJob& operator=(const BulkJob&) = delete;

  /// Of the vectors.
  TREBLE_API std::int64_t dim() const noexcept;

  /// From the vectors to what is stored.
  TREBLE_API const Quantizer& quantizer() const noexcept;

  /// What an output says about itself: provenance_json (treble/provenance.h), "created" (now, UTC), "inputs", "dim",
  /// "post", "precision" and with int8 or uint8 "ranges", as one JSON object. `inputs`: JSON that says where the texts
  /// come from; not compared when a job is resumed.
  TREBLE_API std::string describe(std::string_view inputs = "null") const;

  /// Embeds to the end of the source, or until a stop is requested. Texts of `result.before` are read, checked by their
  /// hash and skipped. After every batch `result` and the sink agree, also when an error is thrown; errors about one
  /// text name its place. Throws what source, sink and encoder throw, and Error{invalid_argument} when the source does
  /// not begin with the texts of `result.before`.
  TREBLE_API void run(TextSource& source, VectorSink& sink, BulkResult& result) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

enum class VectorFormat {
  npy,      ///< rows as a numpy file of <f4, <f2, |i1 or |u1; NAME.npy.json beside it holds the metadata
  jsonl,    ///< a header line {"treble": metadata}, then an object a text
  parquet,  ///< columns id, embedding, tokens, used; the metadata are in the footer. By a VectorConverter
};

/// By the name: ".npy", ".jsonl", ".ndjson", ".parquet". Throws Error{invalid_argument} for anything else.
TREBLE_API VectorFormat vector_format(const std::filesystem::path& path);

/// What becomes of an output that exists.
enum class VectorFileMode {
  create,   ///< it is an error
  replace,  ///< it stays as it is until the new one, which grows beside it as NAME.partial, is whole
  resume,   ///< its rows are kept and the job goes on after them; begins where there is none
};

/// Writes a format that cannot grow row by row, and that Treble itself does not write. Its rows grow in NAME.partial: a
/// header line {"treble": metadata}, then for each batch a line {"rows", "ids", "tokens", "used"}, that many times
/// "dim" numbers of "precision" (little endian; of bits, bytes of eight), and a newline.
struct VectorConverter {
  /// The output from its rows, which gets its name when it is whole.
  std::function<void(const std::filesystem::path& rows, const std::filesystem::path& output)> write = {};
  /// The rows of an output, to continue it.
  std::function<void(const std::filesystem::path& output, const std::filesystem::path& rows)> read = {};
};

/// An output file of jobs. It grows under its own name (or NAME.partial) and is valid at every checkpoint; a run that
/// was stopped or failed leaves the rows so far, to be resumed.
class VectorFile {
 public:
  /// Opens and locks, so that nothing fails later. Throws Error{invalid_argument} when the output exists
  /// and the mode is create, when it is no regular file, when a NAME.partial is not one of Treble's, and when another
  /// process writes it; Error{unsupported} when the format needs a converter and there is none; Error{not_found, io};
  /// what the converter throws.
  TREBLE_API VectorFile(const std::filesystem::path& path, VectorFileMode mode, VectorConverter converter = {});
  /// Removes what this object created, unless there are rows to keep.
  TREBLE_API ~VectorFile();
  VectorFile(const VectorFile&) = delete;
  VectorFile& operator=(const VectorFile&) = delete;

  /// Runs the job into this file, once, and gives the file its name when it is complete. `inputs` as BulkJob::describe.
  /// Throws Error{invalid_argument} naming the first field in which this job would give other vectors than the rows to
  /// be resumed, with both values; Error{invalid_file} when the file is damaged; what BulkJob::run throws, naming the
  /// rows that are kept.
  TREBLE_API void embed(const BulkJob& job, TextSource& source, std::string_view inputs, BulkResult& result);

  /// Of the file that is being written now.
  TREBLE_API const std::string& path() const noexcept;
  /// Where that file's metadata go; "" where it holds them itself.
  TREBLE_API const std::string& sidecar() const noexcept;
  /// True while an output of that name waits to be replaced.
  TREBLE_API bool replaces() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// "out.npy" → "out.npy.json"; "" for outputs that hold their metadata themselves.
TREBLE_API std::string vector_sidecar(const std::filesystem::path& path);

/// Rows of a job as JSONL to wherever `write` puts them: the header line at once, without counts, then an object a
/// text. `job` must outlive the sink; `inputs` as BulkJob::describe.
TREBLE_API std::unique_ptr<VectorSink> make_jsonl_sink(std::function<void(std::string_view)> write, const BulkJob& job,
                                                       std::string_view inputs = "null");

/// All at once: the job's vectors in the file `path`.
TREBLE_API BulkResult embed_to_file(const SentenceEncoder& encoder, TextSource& source,
                                    const std::filesystem::path& path, VectorFileMode mode = VectorFileMode::create,
                                    BulkOptions options = {});

}  // namespace treble
