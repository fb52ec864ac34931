// Any bytes as the written form of a temperature and as a profile's JSON: they are read, or refused with Error, and
// nothing else; what was read gives finite, positive logit scales at every length.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

#include "treble/error.h"
#include "treble/temperature.h"
#include "treble/temperature_profile.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void attempt(const std::function<void()>& read) {
  try {
    read();
  } catch (const treble::Error& error) {
    require(error.code() != treble::ErrorCode::internal);
  }
}

/// Profiles are files; this one never touches a disk.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : descriptor_(memfd_create("profile", 0)) {
    require(descriptor_ >= 0);
    require(write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(descriptor_); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

void check(const treble::TemperatureProfile& profile) {
  for (const auto& layer : profile.logit_scales) {
    for (const auto& head : layer) {
      require(head.size() == profile.lengths.size());
      for (const double scale : head) require(std::isfinite(scale) && scale > 0);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // A path in the written form would read files that the fuzzer happened to name.
  if (text.find('/') == text.npos && text.find("json") == text.npos && text.rfind("match:", 0) == text.npos) {
    attempt([&] {
      const treble::Temperature temperature = treble::Temperature::parse(std::string(text));
      treble::Temperature::parse(temperature.to_string());
    });
  }
  const MemoryFile file(text);
  attempt([&] { check(treble::read_profile(file.path())); });
  return 0;
}
