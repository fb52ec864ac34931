// A file mapped into memory, read only.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace treble::internal {

/// Maps the whole file; an empty file gives an empty span. Movable; the bytes live as long as the object. Safe to read
/// from several threads. The file must not be shortened while mapped (reading past the new end kills the process), as
/// with every memory-mapped reader.
class MappedFile {
 public:
  /// Throws Error{not_found, io}, and Error{invalid_file} for a folder, a device, or a Git LFS pointer that stands in
  /// place of the file; all name the path.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Lets go of the whole pages within a part of a mapped file: they no longer count as this process's memory, and are
/// read from the file again when somebody looks. Only for bytes of a MappedFile.
void release_pages(std::span<const std::byte> mapped) noexcept;

}  // namespace treble::internal
