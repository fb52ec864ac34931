// Gzip (RFC 1952) and Zstandard (RFC 8878), decompressed piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "treble/export.h"

namespace treble {

enum class Compression { none, gzip, zstd };

/// By the first four bytes of the data.
TREBLE_API Compression compression_of_data(std::string_view first_bytes) noexcept;
/// By the extension, in any case: .gz and .gzip, .zst and .zstd.
TREBLE_API Compression compression_of_name(std::string_view name);
/// "corpus.jsonl.gz" → "corpus.jsonl"; other names as they are.
TREBLE_API std::string without_compression_extension(const std::string& name);

/// Unpacks one stream of bytes, which may be several members (gzip) or frames (zstd) one after the other. Used by one
/// thread.
class TREBLE_API Decompressor {
 public:
  /// What one call of `run` did.
  struct Step {
    std::size_t consumed = 0;  ///< bytes of the input that need not be given again
    std::size_t produced = 0;  ///< bytes of the output that were written
  };

  Decompressor() = default;
  virtual ~Decompressor() = default;
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  /// Unpacks what fits. Nothing consumed and nothing produced: it needs more input. Throws Error{invalid_file} for
  /// damaged data and Error{unsupported} for a zstd window above 128 MiB, naming the file and the offset.
  virtual Step run(std::string_view input, std::span<char> output) = 0;
  /// Says that the input has ended. Throws Error{invalid_file} with the size when that is not the end of the data.
  virtual void finish() const = 0;
};

/// `name` stands for the file in messages and in Error::file(); `compression` must not be none.
TREBLE_API std::unique_ptr<Decompressor> make_decompressor(Compression compression, std::string name);

/// Throws Error{invalid_file} when `name` ends as a compressed file does and `first_bytes` (of the file) are plain.
TREBLE_API void check_compression(std::string_view name, std::string_view first_bytes);

}  // namespace treble
