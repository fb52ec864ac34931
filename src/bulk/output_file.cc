#include "bulk/output_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "bulk/fail_errno.h"

namespace treble::internal {

namespace {

int flags_of(OutputFile::Mode mode) {
  switch (mode) {
    case OutputFile::Mode::create: return O_CREAT | O_EXCL;
    case OutputFile::Mode::overwrite: return O_CREAT;
    case OutputFile::Mode::resume: break;
  }
  return 0;
}

}  // namespace

OutputFile::OutputFile(const std::string& path, Mode mode)
    : path_(path), fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC | flags_of(mode), 0666)) {
  if (fd_ < 0) fail_errno("write", path);
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(fd_);
    fail_about(path, ErrorCode::invalid_argument, "{} is being written by another process", path);
  }
  // Not with O_TRUNC above, so that a file which is being written stays whole.
  if (mode == Mode::overwrite && ::ftruncate(fd_, 0) != 0) {
    const int error = errno;
    ::close(fd_);
    fail_errno("empty", path, error);
  }
}

OutputFile::~OutputFile() { ::close(fd_); }

std::uint64_t OutputFile::size() const {
  struct stat status = {};
  if (::fstat(fd_, &status) != 0) fail_errno("get the size of", path_);
  return static_cast<std::uint64_t>(status.st_size);
}

void OutputFile::write_at(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_errno("write", path_);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

std::string OutputFile::read_at(std::uint64_t offset, std::size_t size) const {
  std::string bytes(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const auto got = ::pread(fd_, bytes.data() + have, size - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno("read", path_);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

void OutputFile::truncate(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail_errno("shorten", path_);
}

void OutputFile::try_truncate(std::uint64_t size) noexcept {
  [[maybe_unused]] const int ignored = ::ftruncate(fd_, static_cast<off_t>(size));
}

void OutputFile::sync() {
  // Some file systems cannot and say so.
  if (::fdatasync(fd_) != 0 && errno != EINVAL) fail_errno("write", path_);
}

}  // namespace treble::internal
