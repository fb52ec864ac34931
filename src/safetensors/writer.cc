#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/fail.h"
#include "safetensors/message_text.h"
#include "safetensors/safetensors.h"

namespace treble {

namespace {

namespace fs = std::filesystem;
// Keeps the order of the tensors in the header.
using Json = nlohmann::ordered_json;

std::uint64_t checked_size(const TensorToWrite& tensor) {
  auto size = static_cast<std::int64_t>(dtype_size(tensor.dtype));
  bool fits = true;
  for (const std::int64_t dimension : tensor.shape) {
    fits = fits && dimension >= 0 && !__builtin_mul_overflow(size, dimension, &size);
  }
  if (!fits || static_cast<std::uint64_t>(size) != tensor.bytes.size()) {
    fail(ErrorCode::invalid_argument, "tensor \"{}\" to write: {} bytes given, the shape [{}] of {} needs {}",
         for_message(tensor.name), tensor.bytes.size(), fmt::join(tensor.shape, ", "), dtype_name(tensor.dtype),
         fits ? std::to_string(size) : "an impossible number");
  }
  return static_cast<std::uint64_t>(size);
}

std::string header_text(std::span<const TensorToWrite> tensors, const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names = {"__metadata__"};
  std::uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      fail(ErrorCode::invalid_argument, "tensor \"{}\" to write: the name repeats or is reserved",
           for_message(tensor.name));
    }
    const std::uint64_t end = offset + checked_size(tensor);
    // Appended, not assigned by key: ordered_json would search all earlier keys each time. Names are unique already.
    header.get_ref<Json::object_t&>().emplace_back(
        tensor.name,
        Json{{"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}});
    offset = end;
  }
  try {
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    return text;
  } catch (const Json::exception& error) {
    fail(ErrorCode::invalid_argument, "a tensor's name or the metadata to write is not UTF-8: {}",
         for_message(error.what()));
  }
}

/// A file that is removed again unless it was renamed to its final name.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) : target_(target) {
    static std::atomic<unsigned> counter{0};
    path_ = target.parent_path() / fmt::format(".{}.{}.{}.tmp", target.filename().string(), ::getpid(), counter++);
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail_io("create");
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  void write(const void* data, std::size_t size) {
    constexpr std::size_t kAtOnce = std::size_t{1} << 30;  // Linux writes at most 2 GiB a call
    const auto* bytes = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(descriptor_, bytes, std::min(size, kAtOnce));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_io("write");
      bytes += written;
      size -= static_cast<std::size_t>(written);
    }
  }

  void commit() {
    // Data first, then the name: after a power cut the name never stands for a half-written file.
    if (::fsync(descriptor_) != 0) fail_io("write");
    if (::close(std::exchange(descriptor_, -1)) != 0) fail_io("write");
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail_io("rename");
    path_.clear();
  }

 private:
  [[noreturn]] void fail_io(const char* what) const {
    fail(ErrorCode::io, "{}: cannot {} the file: {}", target_.string(), what, std::strerror(errno));
  }

  fs::path target_;
  fs::path path_;
  int descriptor_ = -1;
};

}  // namespace

void write_safetensors(const fs::path& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::string header = header_text(tensors, metadata);
  std::array<unsigned char, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i) length[i] = static_cast<unsigned char>(header.size() >> (8 * i));
  TemporaryFile file(path);
  file.write(length.data(), length.size());
  file.write(header.data(), header.size());
  for (const TensorToWrite& tensor : tensors) file.write(tensor.bytes.data(), tensor.bytes.size());
  file.commit();
}

}  // namespace treble
