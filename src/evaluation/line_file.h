// The lines of a file, compressed (gzip, zstd) or not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <memory>
#include <string>

namespace treble::internal {

/// Reads forward only; one thread.
class LineFile {
 public:
  /// Throws Error{not_found, io}, and Error{invalid_file} for compressed data that is damaged.
  explicit LineFile(const std::filesystem::path& path);

  /// The next line that is not blank, without its end ("\n", "\r\n" or "\r") and without a byte order mark at the start
  /// of the file; false at the end. Throws Error{io}, and Error{invalid_file} for compressed data that is damaged or
  /// cut short and for UTF-16.
  bool next(std::string& line);

  /// Where the line of next() is, for messages: "corpus.jsonl:17".
  std::string place() const { return name_ + ":" + std::to_string(number_); }
  const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
  std::unique_ptr<std::istream> file_;
  std::uint64_t number_ = 0;
};

}  // namespace treble::internal
