#include "base/npz_writer.h"

#include <zlib.h>

#include <algorithm>

#include "base/fail.h"

namespace treble::internal {

// The format: PKWARE's APPNOTE.TXT 6.3, 4.3 (records) and 4.5.3 (zip64).
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kCentralHeader = 0x02014b50;
constexpr std::uint32_t kZip64End = 0x06064b50;
constexpr std::uint32_t kZip64Locator = 0x07064b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint16_t kVersion = 45;                  // that knows zip64
constexpr std::uint16_t kMadeBy = 3U << 8U | kVersion;  // a Unix, for the permissions
constexpr std::uint32_t kPermissions = 0600U << 16U;
constexpr std::uint16_t kDate = (1U << 5U) | 1U;  // 1980-01-01, as numpy writes
constexpr std::uint64_t kIn64Bits = 0xFFFFFFFF;
constexpr std::uint16_t kZip64Field = 1;
constexpr std::size_t kMaxEntries = 0xFFFE;

/// Numbers in little-endian order.
class Record {
 public:
  Record& u16(std::uint64_t value) { return put(value, 2); }
  Record& u32(std::uint64_t value) { return put(value, 4); }
  Record& u64(std::uint64_t value) { return put(value, 8); }
  Record& text(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const noexcept { return bytes_; }

 private:
  Record& put(std::uint64_t value, int size) {
    for (int byte = 0; byte < size; ++byte) bytes_ += static_cast<char>((value >> (8 * byte)) & 0xFFU);
    return *this;
  }

  std::string bytes_;
};

std::uint32_t crc_of(std::uint32_t crc, std::string_view bytes) {
  return static_cast<std::uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

/// Sizes always in 64 bits: an array that grows may need them, and the header must not.
std::string local_header(const std::string& name, std::uint32_t crc, std::uint64_t size) {
  Record record;
  record.u32(kLocalHeader).u16(kVersion).u16(0).u16(0).u16(0).u16(kDate).u32(crc).u32(kIn64Bits).u32(kIn64Bits);
  record.u16(name.size()).u16(4 + 16).text(name);
  record.u16(kZip64Field).u16(16).u64(size).u64(size);
  return record.bytes();
}

}  // namespace

void NpzWriter::write(std::string_view bytes) {
  file_.write(bytes);
  size_ += bytes.size();
}

void NpzWriter::open_entry(std::string_view name, std::string_view header) {
  if (open_ || entries_.size() == kMaxEntries) fail(ErrorCode::internal, "npz: array {} begun too early", name);
  open_ = true;
  entries_.push_back({.name = std::string(name) + ".npy", .offset = size_});
  data_crc_ = crc_of(0, {});
  write(local_header(entries_.back().name, 0, 0));
  write(header);
}

void NpzWriter::close_entry(std::string_view header) {
  Entry& entry = entries_.back();
  const std::uint64_t head = local_header(entry.name, 0, 0).size();
  entry.size = size_ - entry.offset - head;
  const auto data = static_cast<z_off_t>(entry.size - header.size());
  entry.crc = static_cast<std::uint32_t>(crc32_combine(crc_of(crc_of(0, {}), header), data_crc_, data));
  file_.rewrite(entry.offset, local_header(entry.name, entry.crc, entry.size) + std::string(header));
  open_ = false;
}

void NpzWriter::begin(std::string_view name, NpyType type, std::optional<std::int64_t> columns) {
  const std::vector<std::int64_t> shape(columns ? 2 : 1, 0);
  open_entry(name, npy_header(type, shape));
  type_ = type;
  columns_ = columns;
}

void NpzWriter::append(std::span<const std::byte> bytes) {
  if (!open_) fail(ErrorCode::internal, "npz: {} bytes of no array", bytes.size());
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  data_crc_ = crc_of(data_crc_, text);
  write(text);
}

void NpzWriter::end() {
  if (!open_) fail(ErrorCode::internal, "npz: no array to end");
  const Entry& entry = entries_.back();
  const std::uint64_t head = local_header(entry.name, 0, 0).size() + kNpyHeaderSize;
  const std::uint64_t bytes = size_ - entry.offset - head;
  const std::uint64_t row = size_of(type_) * static_cast<std::uint64_t>(columns_.value_or(1));
  if (row == 0 ? bytes != 0 : bytes % row != 0) {
    fail(ErrorCode::internal, "npz: array {} has {} bytes, rows of {}", entry.name, bytes, row);
  }
  std::vector<std::int64_t> shape = {row == 0 ? 0 : static_cast<std::int64_t>(bytes / row)};
  if (columns_) shape.push_back(*columns_);
  close_entry(npy_header(type_, shape));
}

void NpzWriter::add_text(std::string_view name, std::string_view text) {
  // numpy has no scalar of no bytes; one that is 0 reads as none.
  const std::string content = text.empty() ? std::string(1, '\0') : std::string(text);
  const std::string header = npy_bytes_header(content.size());
  open_entry(name, header);
  append(std::span<const char>(content));
  close_entry(header);
}

void NpzWriter::write_directory_entry(const Entry& entry) {
  Record extra;
  if (entry.size > max_plain_) extra.u64(entry.size).u64(entry.size);
  if (entry.offset > max_plain_) extra.u64(entry.offset);
  const std::uint64_t size = entry.size > max_plain_ ? kIn64Bits : entry.size;
  const std::uint64_t offset = entry.offset > max_plain_ ? kIn64Bits : entry.offset;
  const std::size_t extra_size = extra.bytes().empty() ? 0 : 4 + extra.bytes().size();
  Record record;
  record.u32(kCentralHeader).u16(kMadeBy).u16(kVersion).u16(0).u16(0).u16(0).u16(kDate).u32(entry.crc);
  record.u32(size).u32(size).u16(entry.name.size()).u16(extra_size).u16(0).u16(0).u16(0).u32(kPermissions);
  record.u32(offset).text(entry.name);
  if (extra_size > 0) record.u16(kZip64Field).u16(extra.bytes().size()).text(extra.bytes());
  write(record.bytes());
}

void NpzWriter::finish() {
  if (open_) fail(ErrorCode::internal, "npz: array {} was not ended", entries_.back().name);
  const std::uint64_t directory = size_;
  for (const Entry& entry : entries_) write_directory_entry(entry);
  const std::uint64_t end = size_;
  Record record;
  if (directory > max_plain_) {
    record.u32(kZip64End).u64(44).u16(kVersion).u16(kVersion).u32(0).u32(0);
    record.u64(entries_.size()).u64(entries_.size()).u64(end - directory).u64(directory);
    record.u32(kZip64Locator).u32(0).u64(end).u32(1);
  }
  record.u32(kEnd).u16(0).u16(0).u16(entries_.size()).u16(entries_.size());
  record.u32(end - directory).u32(std::min(directory, kIn64Bits)).u16(0);
  write(record.bytes());
}

}  // namespace treble::internal
