// Hostile config.json: every family's reading of it, and the checks of its sizes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/json_file.h"
#include "models/model_registry.h"
#include "treble/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto config =
        treble::internal::read_encoder_config(treble::internal::JsonObject::from_text(text, "config.json"));
    treble::internal::describe(config);
  } catch (const treble::Error&) {
    // What hostile bytes should come to.
  }
  return 0;
}
