#include "treble/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>
#include <utility>

#include "base/fail_about.h"

namespace treble {

using namespace internal;

namespace {

namespace fs = std::filesystem;

constexpr int kMaxLinks = 40;  // as the kernel
constexpr int kAttempts = 100;
constexpr std::size_t kLongestName = 255;

ErrorCode code_of(int error) { return error == ENOENT ? ErrorCode::not_found : ErrorCode::io; }

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

std::string random_name(const fs::path& target) {
  std::random_device random;
  const std::string end = fmt::format(".{:08x}{:08x}.tmp", random(), random());
  // A name as long as names may be leaves no room for the addition.
  return fmt::format(".{}{}", target.filename().string().substr(0, kLongestName - 1 - end.size()), end);
}

/// Why `target` cannot be replaced by a regular file, if so. By stat, as what /dev/stdout leads to may have no name.
void check_target(const fs::path& target, Existing existing) {
  if (target.filename().empty() || target.filename() == "." || target.filename() == "..") {
    fail_file(target, ErrorCode::invalid_argument, "this is a folder; give the name of a file");
  }
  struct stat status = {};
  if (::stat(target.c_str(), &status) != 0) return;
  if (!S_ISREG(status.st_mode)) {
    fail_file(target, ErrorCode::invalid_argument, "this is {}; give the name of a file",
              S_ISDIR(status.st_mode) ? "a folder" : "no regular file");
  }
  if (existing == Existing::refuse) {
    fail_file(target, ErrorCode::invalid_argument, "exists already; Existing::replace replaces it");
  }
}

/// So that the new name is there after a power cut. Some file systems cannot do it for folders and say so.
void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder that may be written to but not read
  const bool synced = ::fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP;
  const int error = errno;
  ::close(descriptor);
  if (!synced) fail_file(folder, ErrorCode::io, "cannot write: {}", std::strerror(error));
}

}  // namespace

fs::path link_target(const fs::path& path) {
  fs::path target = path;
  for (int link = 0; link < kMaxLinks; ++link) {
    std::error_code error;
    const fs::path next = fs::read_symlink(target, error);
    if (error) return target;
    target = next.is_absolute() ? next : folder_of(target) / next;
  }
  fail_file(path, ErrorCode::io, "its links go round in a circle");
}

WholeFile::WholeFile(const fs::path& target, Existing existing) : target_(link_target(target)), existing_(existing) {
  check_target(target, existing);
  for (int attempt = 0; descriptor_ < 0; ++attempt) {
    fs::path path = folder_of(target_) / random_name(target_);
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor_ >= 0) path_ = std::move(path);
    if (descriptor_ < 0 && (errno != EEXIST || attempt == kAttempts)) fail_io("create");
  }
  struct stat status = {};
  // A file system without permissions is no reason to stop.
  if (::stat(target_.c_str(), &status) == 0) {
    [[maybe_unused]] const int ignored = ::fchmod(descriptor_, status.st_mode & 07777);
  }
}

WholeFile::~WholeFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

void WholeFile::fail_io(const char* what) const {
  const int error = errno;
  fail_file(target_, code_of(error), "cannot {} the file: {}", what, std::strerror(error));
}

void WholeFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t kAtOnce = std::size_t{1} << 30;  // Linux writes at most 2 GiB a call
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kAtOnce));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io("write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void WholeFile::rewrite(std::uint64_t offset, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::pwrite(descriptor_, text.data(), text.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io("write");
    text.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

void WholeFile::give_name() {
  if (existing_ == Existing::replace) {
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail_io("rename");
    return;
  }
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0) return;
  // A file system that cannot do that in one step may be able to make a second name, which never replaces anything.
  if (errno == EINVAL || errno == ENOSYS) {
    if (::link(path_.c_str(), target_.c_str()) == 0) {
      ::unlink(path_.c_str());
      return;
    }
  }
  if (errno != EEXIST) fail_io("rename");
  const fs::path kept = std::exchange(path_, {});
  fail_file(target_, ErrorCode::invalid_argument,
            "was created meanwhile and is left as it is; what was to be written is in {}", kept.string());
}

void WholeFile::commit() {
  // Data first, then the name: after a power cut the name never stands for a half-written file.
  if (::fsync(descriptor_) != 0 && errno != EINVAL) fail_io("write");
  if (::close(std::exchange(descriptor_, -1)) != 0) fail_io("write");
  give_name();
  path_.clear();
  sync_folder(folder_of(target_));
}

void replace_with(const fs::path& whole, const fs::path& target) {
  struct stat status = {};
  if (::stat(target.c_str(), &status) == 0) {
    [[maybe_unused]] const int ignored = ::chmod(whole.c_str(), status.st_mode & 07777);
  }
  if (::rename(whole.c_str(), target.c_str()) != 0) {
    const int error = errno;
    fail_file(whole, code_of(error), "cannot give it the name {}: {}", target.string(), std::strerror(error));
  }
  sync_folder(folder_of(target));
}

void write_whole_file(const fs::path& path, std::string_view content, Existing existing) {
  WholeFile file(path, existing);
  file.write(content);
  file.commit();
}

void check_writable(const fs::path& path, Existing existing) { const WholeFile probe(path, existing); }

}  // namespace treble
