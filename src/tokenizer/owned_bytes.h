// Bytes that cross the boundary to Rust.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "treble_tokenizers.h"

namespace treble::internal {

/// Bytes from the FFI, freed at the end of the scope.
class OwnedBytes {
 public:
  OwnedBytes() = default;
  OwnedBytes(const OwnedBytes&) = delete;
  OwnedBytes& operator=(const OwnedBytes&) = delete;
  ~OwnedBytes() { treble_tok_bytes_free(bytes_); }

  TrebleTokBytes* out() { return &bytes_; }
  std::string str() const {
    return bytes_.data == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(bytes_.data), bytes_.len);
  }

 private:
  TrebleTokBytes bytes_{nullptr, 0};
};

inline const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

}  // namespace treble::internal
