#include "bake/output_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "bake/file_ops.h"
#include "base/fail_about.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

/// Without "." and ".." and without a slash at the end, so that it has a last part and a parent.
fs::path plain(const fs::path& path) {
  fs::path result = fs::absolute(path).lexically_normal();
  if (!result.has_filename()) result = result.parent_path();
  if (!result.has_filename()) {
    fail_file(path, ErrorCode::invalid_argument, "name a folder for the output");
  }
  return result;
}

bool is_inside(const fs::path& inner, const fs::path& outer) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

void check_apart(const fs::path& target, const fs::path& source) {
  const fs::path to = fs::weakly_canonical(target);
  const fs::path from = fs::canonical(source);
  if (!is_inside(to, from) && !is_inside(from, to)) return;
  fail_file(target, ErrorCode::invalid_argument,
            "the output must lie outside of the model's folder {}, and the other way round", source.string());
}

void check_free(const fs::path& target, bool force) {
  const fs::file_status status = fs::symlink_status(target);
  if (!fs::exists(status)) return;
  if (!force) {
    fail_file(target, ErrorCode::invalid_argument,
              "exists already; name another folder, or let BakeOptions::force replace it");
  }
  // A slip of the hand must not cost anybody a folder of something else.
  if (!fs::is_directory(status) || !(fs::exists(target / "config.json") || fs::exists(target / "modules.json"))) {
    fail_file(target, ErrorCode::invalid_argument,
              "is not the folder of a model, so it is not replaced; remove it yourself");
  }
}

}  // namespace

OutputFolder::OutputFolder(const fs::path& target, const fs::path& source, bool force)
    : target_(plain(target)), force_(force) {
  check_apart(target_, source);
  check_free(target_, force);
  const fs::path sibling =
      target_.parent_path() / fmt::format(".{}.baking-{}", target_.filename().string(), ::getpid());
  if (::mkdir(sibling.c_str(), 0777) != 0) {
    const auto code = errno == ENOENT ? ErrorCode::not_found : ErrorCode::io;
    fail_file(target_, code, "cannot create the folder: {}", std::strerror(errno));
  }
  path_ = sibling;
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

/// Exchanges the two names, so that there is a model under the target's name at every moment.
void OutputFolder::replace_target() {
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
    sync_file(target_.parent_path());
    return;  // the old model lies under path_ now and is removed with it
  }
  if (errno != EINVAL && errno != ENOSYS) {
    fail_file(target_, ErrorCode::io, "cannot replace the folder: {}", std::strerror(errno));
  }
  // A file system that cannot exchange: for a moment there is neither, but never half of one.
  fs::path old = path_;
  old += ".old";
  fs::rename(target_, old);
  fs::rename(path_, target_);
  path_ = std::move(old);
}

void OutputFolder::commit() {
  if (force_ && fs::exists(target_)) {
    replace_target();
    return;
  }
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) fail_file(target_, ErrorCode::invalid_argument, "was created meanwhile");
    // A plain rename replaces nothing but an empty folder.
    if ((errno != EINVAL && errno != ENOSYS) || ::rename(path_.c_str(), target_.c_str()) != 0) {
      fail_file(target_, ErrorCode::io, "cannot rename the finished folder: {}", std::strerror(errno));
    }
  }
  path_.clear();
  sync_file(target_.parent_path());
}

}  // namespace treble::internal
