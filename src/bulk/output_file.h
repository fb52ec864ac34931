// A file being written, with every failure of the disk turned into an error that names it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace treble::internal {

/// Owned by one writer and locked against other processes that would write the same file.
class OutputFile {
 public:
  enum class Mode {
    create,     ///< the file must not exist
    overwrite,  ///< an existing file is emptied
    resume,     ///< the file must exist; its content stays
  };
  /// Throws Error{invalid_argument} when another process is writing this file, and Error{not_found, io}.
  OutputFile(const std::string& path, Mode mode);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::uint64_t size() const;
  /// Writes all of `bytes` at `offset`. Throws Error{io}.
  void write_at(std::uint64_t offset, std::string_view bytes);
  /// Up to `size` bytes from `offset` on.
  std::string read_at(std::uint64_t offset, std::size_t size) const;
  void truncate(std::uint64_t size);
  /// Waits until what was written is on the disk.
  void sync();
  /// The same for clean-up, where nothing can be done about a failure.
  void try_truncate(std::uint64_t size) noexcept;

 private:
  std::string path_;
  int fd_;
};

}  // namespace treble::internal
