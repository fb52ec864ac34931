// A running hash of the texts read, by which a resumed job knows that it is reading the same input again.
#pragma once

#include <string>

#include "base/sha256.h"
#include "treble/bulk.h"

namespace treble::internal {

class TextHash {
 public:
  /// Takes in the text and the id, each with its length.
  void add(const TextRecord& record);
  /// SHA-256 of all so far, as 64 hex digits; adding may go on.
  std::string digest() const { return hash_.digest_so_far(); }

 private:
  void add_bytes(std::string_view bytes);

  Sha256 hash_;
};

}  // namespace treble::internal
