// The bytes of a file or of stdin, in pieces; .gz and .zst are decompressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "interrupt.h"
#include "treble/decompress.h"

namespace treble::cli {

/// Reads forward only; one thread. What the bytes are (plain, gzip, zstd) is seen in the first of them. A UTF-8 byte
/// order mark at the start is dropped.
class ByteReader {
 public:
  /// Opens `path`; "-" is stdin. `stop`, which must outlive the reader, ends a wait for input. Throws
  /// Error{not_found, io}.
  explicit ByteReader(const std::string& path, const StopSignal* stop = nullptr);
  /// Reads from `fd`, which stays the caller's; `name` is used for it in messages.
  ByteReader(int fd, std::string name, const StopSignal* stop = nullptr);
  ~ByteReader();
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  /// The bytes at hand, at least one; empty at the end of the input. Valid until the next call. Throws Error{io},
  /// Error{invalid_file} for damaged compressed data and for UTF-16, Error{unsupported} for other archives, and
  /// Error{interrupted} when `stop` was requested.
  std::string_view peek();
  /// The bytes at hand, reading on until they contain `byte`, are `max_size` (at most 128 KiB) or the input ends.
  std::string_view peek_until(char byte, std::size_t max_size);
  /// Consumes the first `size` bytes of what peek() returned.
  void consume(std::size_t size) noexcept { begin_ += size; }

  /// How many (decompressed) bytes lie before the next one.
  std::uint64_t offset() const noexcept { return produced_ - (end_ - begin_); }
  /// How many bytes of the file itself have been used.
  std::uint64_t file_bytes() const noexcept;
  /// For messages: the path, or "stdin".
  const std::string& name() const noexcept { return name_; }

 private:
  void start();
  void look_at_file();
  void look_at_text();
  /// Appends more to what is there; false at the end.
  bool fill();
  std::size_t read_file(std::span<char> out);
  std::string_view at_hand() const noexcept { return {buffer_.data() + begin_, end_ - begin_}; }

  std::string name_;
  const StopSignal* stop_;
  int fd_ = -1;
  bool owns_fd_ = false;
  bool started_ = false;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t produced_ = 0;

  Compression compression_ = Compression::none;
  std::unique_ptr<Decompressor> decompressor_;
  std::vector<char> packed_;
  std::size_t packed_begin_ = 0;
  std::size_t packed_end_ = 0;
  std::uint64_t read_ = 0;
};

}  // namespace treble::cli
