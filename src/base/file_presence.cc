#include "base/file_presence.h"

#include <system_error>

#include "base/fail_about.h"

namespace treble::internal {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status)) return true;
  if (status.type() != fs::file_type::not_found) {
    fail_file(path, ErrorCode::io, "cannot look it up: {}", error.message());
  }
  if (!fs::is_symlink(fs::symlink_status(path, error))) return false;
  const std::string target = fs::read_symlink(path, error).string();
  fail_file(
      path, ErrorCode::not_found,
      "a link to {}, which does not exist: the download was not finished, or the cache was cleared in part; fetch "
      "the model again",
      target);
}

}  // namespace treble::internal
