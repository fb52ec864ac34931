// Any bytes as the written form of a state control: read, or refused with Error; what was read is within its bounds and
// reads back.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "treble/error.h"
#include "treble/state_control.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // A path in the written form would read files that the fuzzer happened to name.
  if (text.ends_with(".json")) return 0;
  try {
    const auto control = treble::StateControl::parse(text);
    require(control.retain() > 0 && control.retain() <= 1);
    require(control.insert() > 0 && std::isfinite(control.insert()));
    require(!control.window() || *control.window() >= 1);
    require(control.max_norm(0, 0) > 0);
    require(treble::StateControl::parse(control.to_string()).canonical() == control.canonical());
  } catch (const treble::Error& error) {
    require(error.code() != treble::ErrorCode::internal);
  }
  return 0;
}
