#include <fmt/format.h>

#include <utility>

#include "base/fail.h"
#include "base/json_text.h"
#include "bulk/block_writer.h"
#include "bulk/jsonl_writer.h"
#include "bulk/metadata.h"
#include "bulk/npy_writer.h"
#include "bulk/row_file.h"
#include "treble/bulk.h"

namespace treble {

using namespace internal;

struct VectorFile::Impl {
  Impl(const std::filesystem::path& path, VectorFileMode mode, VectorConverter converter)
      : format(vector_format(path)), rows(path.string(), format, mode, std::move(converter)) {}

  /// A writer for these metadata; `before` becomes the state of the rows that are there.
  std::unique_ptr<VectorSink> open(Json metadata, const Quantizer& quantizer, BulkState& before);

  VectorFormat format;
  RowFile rows;
};

std::unique_ptr<VectorSink> VectorFile::Impl::open(Json metadata, const Quantizer& quantizer, BulkState& before) {
  if (auto saved = rows.saved()) {
    check_same_run(saved->metadata, metadata, rows.path());
    before = saved->state.run;
    if (format == VectorFormat::npy) {
      return std::make_unique<NpyWriter>(rows, std::move(saved->metadata), saved->state, quantizer);
    }
    if (format == VectorFormat::parquet) {
      return std::make_unique<BlockWriter>(rows, std::move(saved->metadata), saved->state, quantizer);
    }
    return std::make_unique<JsonlWriter>(rows, std::move(saved->metadata), saved->state, quantizer);
  }
  if (format == VectorFormat::npy) return std::make_unique<NpyWriter>(rows, std::move(metadata), quantizer);
  if (format == VectorFormat::parquet) return std::make_unique<BlockWriter>(rows, std::move(metadata), quantizer);
  return std::make_unique<JsonlWriter>(rows, std::move(metadata), quantizer);
}

VectorFile::VectorFile(const std::filesystem::path& path, VectorFileMode mode, VectorConverter converter)
    : impl_(std::make_unique<Impl>(path, mode, std::move(converter))) {}

VectorFile::~VectorFile() = default;

void VectorFile::embed(const BulkJob& job, TextSource& source, std::string_view inputs, BulkResult& result) {
  RowFile& rows = impl_->rows;
  const auto sink = impl_->open(parse_ordered(job.describe(inputs)), job.quantizer(), result.before);
  try {
    job.run(source, *sink, result);
  } catch (const Error& error) {
    // Without a row nothing is lost, and the corrected job shall not stumble over an empty file.
    const std::int64_t count = result.total.count;
    if (count == 0) throw;
    rows.keep();
    throw Error(
        error.code(),
        fmt::format("{}\n  {} has the {} before that; VectorFileMode::resume continues after {}", error.what(),
                    rows.path(), fmt::format("{} row{}", count, count == 1 ? "" : "s"), count == 1 ? "it" : "them"),
        {.text_index = error.text_index(), .file = error.file()});
  }
  rows.keep();
  if (!result.stopped) rows.finish(result.texts() > 0);
}

const std::string& VectorFile::path() const noexcept { return impl_->rows.path(); }

const std::string& VectorFile::sidecar() const noexcept { return impl_->rows.sidecar(); }

bool VectorFile::replaces() const noexcept { return impl_->rows.replaces(); }

BulkResult embed_to_file(const SentenceEncoder& encoder, TextSource& source, const std::filesystem::path& path,
                         VectorFileMode mode, BulkOptions options) {
  VectorFile file(path, mode);
  const BulkJob job(encoder, std::move(options));
  BulkResult result;
  file.embed(job, source, "null", result);
  return result;
}

}  // namespace treble
