// A running hash of the texts read, by which --resume knows that it is reading the same input again.
#pragma once

#include <memory>
#include <string>

#include "input/text_source.h"

namespace treble::cli {

class TextHash {
 public:
  TextHash();
  ~TextHash();
  TextHash(const TextHash&) = delete;
  TextHash& operator=(const TextHash&) = delete;

  /// Takes in the text and the id, each with its length.
  void add(const TextRecord& record);
  /// SHA-256 of all so far, as 64 hex digits; adding may go on.
  std::string digest() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble::cli
