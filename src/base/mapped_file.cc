#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/fail_about.h"
#include "base/file_presence.h"

namespace treble::internal {

namespace {

struct FileDescriptor {
  int value;
  ~FileDescriptor() {
    if (value >= 0) ::close(value);
  }
};

/// Git Large File Storage leaves a few lines of text in place of a file that it has not fetched.
bool is_lfs_pointer(std::span<const std::byte> bytes) {
  constexpr std::string_view kFirstLine = "version https://git-lfs.github.com/spec/v";
  constexpr std::size_t kMaxPointer = 1024;  // of the specification
  return bytes.size() < kMaxPointer &&
         std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).starts_with(kFirstLine);
}

[[noreturn]] void fail_to_open(const std::filesystem::path& path, int error) {
  // Says so itself where it is a link to nowhere.
  if (error == ENOENT) is_there(path);
  fail_file(path, error == ENOENT ? ErrorCode::not_found : ErrorCode::io, "cannot open: {}", std::strerror(error));
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  // Without waiting, where the name is that of a pipe nobody writes to.
  const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.value < 0) fail_to_open(path, errno);
  struct stat status{};
  if (::fstat(file.value, &status) != 0) fail_file(path, ErrorCode::io, "cannot stat: {}", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) {
    fail_file(path, ErrorCode::invalid_file, "{}not a regular file", S_ISDIR(status.st_mode) ? "a folder, " : "");
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (address == MAP_FAILED) fail_file(path, ErrorCode::io, "cannot map {} bytes: {}", size_, std::strerror(errno));
  data_ = static_cast<const std::byte*>(address);
  if (is_lfs_pointer(bytes())) {
    ::munmap(address, size_);
    fail_file(path, ErrorCode::invalid_file,
              "a Git LFS pointer, not the file itself; run `git lfs pull` in its repository, or fetch the file again");
  }
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void release_pages(std::span<const std::byte> mapped) noexcept {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(mapped.data());
  const std::size_t before = (page - address % page) % page;
  if (mapped.size() <= before) return;
  const std::size_t whole = (mapped.size() - before) / page * page;
  // A failure only means that the pages stay.
  if (whole > 0) ::madvise(const_cast<std::byte*>(mapped.data()) + before, whole, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace treble::internal
