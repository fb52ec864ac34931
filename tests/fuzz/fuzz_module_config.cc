// Any bytes as modules.json or a module's config.json: they are read, or refused with Error, and nothing else.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/json_file.h"
#include "pooling/module_config.h"
#include "treble/error.h"

namespace {

void attempt(const std::function<void()>& read) {
  try {
    read();
  } catch (const treble::Error& error) {
    if (error.code() == treble::ErrorCode::internal) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  attempt([&] { treble::internal::parse_modules(treble::internal::parse_json_text(text, "fuzz"), "fuzz"); });
  attempt([&] {
    const auto config = treble::internal::JsonObject::from_text(text, "fuzz");
    attempt([&] { treble::internal::parse_pooling_config(config, 8); });
    attempt([&] { treble::internal::parse_dense_config(config); });
    attempt([&] { treble::internal::parse_layer_norm_config(config); });
    attempt([&] { treble::internal::read_normalize_config(config); });
  });
  return 0;
}
