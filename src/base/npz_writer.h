// Several numpy arrays in one file: a zip archive of npy files, as numpy.load and scipy.sparse.load_npz read it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/npy_header.h"
#include "treble/whole_file.h"

namespace treble::internal {

/// Writes the archive as numpy.savez does: entries stored without compression, NAME.npy each, with sizes of 64 bits
/// (zip64) where they are needed. The file depends on the arrays alone (no time, no user). One array at a time; in
/// memory is only what is handed over. Throws Error{io} as WholeFile.
class NpzWriter {
 public:
  /// As Python's zipfile: sizes and offsets beyond it take 64 bits.
  static constexpr std::uint64_t kMaxPlain = 0x7FFFFFFF;

  /// Onto an empty file, which must outlive the writer; committing it is the caller's. A smaller `max_plain` is for
  /// tests.
  explicit NpzWriter(WholeFile& file, std::uint64_t max_plain = kMaxPlain) : file_(file), max_plain_(max_plain) {}

  /// Begins an array whose length is not known yet: [n], or [n, columns] where columns are given.
  void begin(std::string_view name, NpyType type, std::optional<std::int64_t> columns = {});
  /// Elements of the array begun, in C order. Rows may be cut anywhere.
  void append(std::span<const std::byte> bytes);
  template <typename T>
  void append(std::span<const T> values) {
    append(std::as_bytes(values));
  }
  /// Ends it. Throws Error{internal} where the bytes are not whole rows.
  void end();

  /// An array at once.
  template <typename T>
  void add(std::string_view name, NpyType type, std::span<const T> values, std::optional<std::int64_t> columns = {}) {
    begin(name, type, columns);
    append(values);
    end();
  }
  /// A scalar of bytes (dtype S): text, JSON. A numpy scalar has none at its end that are 0.
  void add_text(std::string_view name, std::string_view text);

  /// Ends the archive; nothing follows.
  void finish();

 private:
  struct Entry {
    std::string name;  ///< with .npy
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint32_t crc = 0;
  };

  void write(std::string_view bytes);
  void open_entry(std::string_view name, std::string_view header);
  void close_entry(std::string_view header);
  void write_directory_entry(const Entry& entry);

  WholeFile& file_;
  std::uint64_t max_plain_;
  std::uint64_t size_ = 0;  ///< of the file so far
  std::vector<Entry> entries_;
  NpyType type_ = NpyType::float32;
  std::optional<std::int64_t> columns_;
  bool open_ = false;
  std::uint32_t data_crc_ = 0;  ///< of the array begun, without its header
};

}  // namespace treble::internal
