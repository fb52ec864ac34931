// The bytes of a file or of stdin, in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "interrupt.h"

namespace treble::cli {

/// Reads forward only; one thread. A UTF-8 byte order mark at the start is dropped.
class ByteReader {
 public:
  /// Opens `path`; "-" is stdin. `stop`, which must outlive the reader, ends a wait for input. Throws
  /// Error{not_found, io}, and Error{unsupported} for compressed data.
  explicit ByteReader(const std::string& path, const StopSignal* stop = nullptr);
  ~ByteReader();
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  /// The bytes at hand, at least one; empty at the end of the input. Valid until the next call. Throws Error{io}, and
  /// Error{interrupted} when `stop` was requested.
  std::string_view peek();
  /// Passes over the first `size` bytes of what peek() returned.
  void consume(std::size_t size) noexcept { begin_ += size; }

  /// How many bytes of the file lie before the next one.
  std::uint64_t position() const noexcept { return read_ - (end_ - begin_); }
  /// For messages: the path, or "stdin".
  const std::string& name() const noexcept { return name_; }

 private:
  /// Reads more behind what is there; false at the end.
  bool fill();
  void look_at_start();

  std::string name_;
  const StopSignal* stop_;
  int fd_ = -1;
  bool owns_fd_ = false;
  bool started_ = false;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t read_ = 0;
};

}  // namespace treble::cli
