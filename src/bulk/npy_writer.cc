#include "bulk/npy_writer.h"

#include <bit>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "treble/whole_file.h"

namespace treble::internal {

static_assert(std::endian::native == std::endian::little, "rows are written as they lie in memory, and npy says '<f4'");

namespace {

constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);

std::uint64_t end_of(std::int64_t count, const Quantizer& rows) {
  return kNpyHeaderSize + static_cast<std::uint64_t>(count) * rows.row_bytes();
}

/// numpy's name of the element type.
std::string_view descr_of(Precision precision) {
  switch (precision) {
    case Precision::float32: return "<f4";
    case Precision::float16: return "<f2";
    case Precision::int8:
    case Precision::binary: return "|i1";
    case Precision::uint8:
    case Precision::ubinary: break;
  }
  return "|u1";
}

}  // namespace

std::string npy_header(std::int64_t count, const Quantizer& rows) {
  // numpy requires the header to end in a newline and the data to begin at a multiple of 64 bytes; two counts of 19
  // digits fit in.
  constexpr std::size_t kDictSize = kNpyHeaderSize - kMagic.size() - 2;
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}, {}), }}",
                                 descr_of(rows.precision()), count, rows.columns());
  dict.resize(kDictSize - 1, ' ');
  dict += '\n';
  std::string header(kMagic);
  header += static_cast<char>(kDictSize & 0xFFU);
  header += static_cast<char>(kDictSize >> 8U);
  return header + dict;
}

NpyWriter::NpyWriter(RowFile& rows, Json metadata, const Quantizer& quantizer)
    : file_(rows.file()), sidecar_(rows.sidecar()), metadata_(std::move(metadata)), quantizer_(quantizer) {
  checkpoint({});
}

NpyWriter::NpyWriter(RowFile& rows, Json metadata, const SavedState& saved, const Quantizer& quantizer)
    : file_(rows.file()), sidecar_(rows.sidecar()), metadata_(std::move(metadata)), quantizer_(quantizer) {
  const std::string& path = file_.path();
  if (!file_.read_at(0, kMagic.size()).starts_with(kMagic)) {
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
