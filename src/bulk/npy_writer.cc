#include "bulk/npy_writer.h"

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "treble/whole_file.h"

namespace treble::internal {

namespace {

std::uint64_t end_of(std::int64_t count, const Quantizer& rows) {
  return kNpyHeaderSize + static_cast<std::uint64_t>(count) * rows.row_bytes();
}

NpyType type_of(Precision precision) {
  switch (precision) {
    case Precision::float32: return NpyType::float32;
    case Precision::float16: return NpyType::float16;
    case Precision::int8:
    case Precision::binary: return NpyType::int8;
    case Precision::uint8:
    case Precision::ubinary: break;
  }
  return NpyType::uint8;
}

}  // namespace

std::string npy_header(std::int64_t count, const Quantizer& rows) {
  const std::array<std::int64_t, 2> shape = {count, rows.columns()};
  return npy_header(type_of(rows.precision()), shape);
}

NpyWriter::NpyWriter(RowFile& rows, Json metadata, const Quantizer& quantizer)
    : file_(rows.file()), sidecar_(rows.sidecar()), metadata_(std::move(metadata)), quantizer_(quantizer) {
  checkpoint({});
}

NpyWriter::NpyWriter(RowFile& rows, Json metadata, const SavedState& saved, const Quantizer& quantizer)
    : file_(rows.file()), sidecar_(rows.sidecar()), metadata_(std::move(metadata)), quantizer_(quantizer) {
  const std::string& path = file_.path();
  if (!file_.read_at(0, kNpyMagic.size()).starts_with(kNpyMagic)) {
    fail_about(path, ErrorCode::invalid_file,
               "{} is not an npy file that treble wrote; start again with VectorFileMode::replace", path);
  }
  end_ = safe_end_ = end_of(saved.run.count, quantizer);
  if (file_.size() < end_ || saved.bytes != end_) {
    fail_about(path, ErrorCode::invalid_file,
               "{} has {} bytes, and {} rows of {} bytes need {}; start again with VectorFileMode::replace", path,
               file_.size(), saved.run.count, quantizer.row_bytes(), end_);
  }
  file_.truncate(end_);
  checkpoint(saved.run);
}

void NpyWriter::write(const BulkBatch& /*batch*/, const Embeddings& embeddings) {
  const std::vector<std::byte> rows = quantizer_.quantize(embeddings.values);
  const std::string_view bytes(reinterpret_cast<const char*>(rows.data()), rows.size());
  file_.write_at(end_, bytes);
  end_ += bytes.size();
}

void NpyWriter::checkpoint(const BulkState& state) {
  // Rows first, the sidecar last: whenever the process is killed or the power fails, the rows that the sidecar counts
  // are there.
  file_.write_at(0, npy_header(state.count, quantizer_));
  file_.sync();
  write_whole_file(sidecar_, json_text(with_state(metadata_, state, end_), 2) + "\n");
  safe_end_ = end_;
}

void NpyWriter::roll_back() noexcept {
  file_.try_truncate(safe_end_);
  end_ = safe_end_;
}

}  // namespace treble::internal
