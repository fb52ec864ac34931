// SHA-256, to name model weights and text streams.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace treble::internal {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::span<const std::byte> bytes);
  /// 64 hex digits; the object is used up.
  std::string hex_digest();
  /// The digest of what was added so far; adding may go on.
  std::string digest_so_far() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Of a text, in hex digits.
std::string sha256_of(std::string_view text);

/// Of the contents of files, one after the other. Throws Error{not_found, io}.
std::string sha256_of_files(std::span<const std::filesystem::path> files);

}  // namespace treble::internal
