#include "bake/file_ops.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>

#include "base/fail_about.h"
#include "base/json_file.h"
#include "base/json_text.h"
#include "base/mapped_file.h"
#include "treble/whole_file.h"

namespace treble::internal {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Json read_ordered_json(const fs::path& path) {
  static_cast<void>(JsonObject::from_file(path));  // limits, and messages that name the place
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return parse_ordered(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void write_json(const fs::path& path, const Json& json) { write_whole_file(path, json_text(json, 2) + '\n'); }

void carry_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::copy_file(from, to, error);
  if (error) {
    fail_file(from, ErrorCode::io, "cannot copy it to {}: {}", to.parent_path().string(), error.message());
  }
  sync_file(to);
}

void sync_file(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  // Some file systems cannot do it for folders and say so.
  if (!synced && error != EINVAL) fail_file(path, ErrorCode::io, "cannot write: {}", std::strerror(error));
}

}  // namespace treble::internal
