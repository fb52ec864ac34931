#include "base/file_presence.h"

#include <system_error>

#include "base/fail.h"

namespace treble::internal {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status)) return true;
  if (status.type() != fs::file_type::not_found) {
    fail(ErrorCode::io, "{}: cannot look it up: {}", path.string(), error.message());
  }
  if (!fs::is_symlink(fs::symlink_status(path, error))) return false;
  const std::string target = fs::read_symlink(path, error).string();
  fail(ErrorCode::not_found,
       "{}: a link to {}, which does not exist: the download was not finished, or the cache was cleared in part; fetch "
       "the model again",
       path.string(), target);
}

}  // namespace treble::internal
