// Any bytes as a safetensors file, as its header and data with the length put right (a fuzzer seldom finds eight
// matching bytes), and as the index of shards: they are read, or refused with Error, and nothing else.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "safetensors/file_image.h"
#include "safetensors/safetensors.h"
#include "safetensors/shard_index.h"
#include "treble/error.h"

namespace {

void read_file(std::span<const std::byte> bytes) {
  const treble::internal::FileImage image = treble::internal::read_file_image(bytes, "fuzz");
  for (const auto& [name, tensor] : image.tensors) {
    std::vector<float> values(static_cast<std::size_t>(tensor.num_elements()));
    // The tensor was checked, so nothing but its type or its values may be wrong: attempt() traps on the rest.
    treble::internal::copy_as_float(tensor, name, values);
  }
}

/// The header ends at the first NUL, the data follow.
std::vector<std::uint8_t> with_length(std::span<const std::uint8_t> text) {
  const auto header = static_cast<std::uint64_t>(std::find(text.begin(), text.end(), 0) - text.begin());
  std::vector<std::uint8_t> file;
  for (unsigned shift = 0; shift < 64; shift += 8) file.push_back(static_cast<std::uint8_t>(header >> shift));
  file.insert(file.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(header));
  if (header < text.size()) file.insert(file.end(), text.begin() + static_cast<std::ptrdiff_t>(header) + 1, text.end());
  return file;
}

void attempt(const std::function<void()>& read) {
  try {
    read();
  } catch (const treble::Error& error) {
    if (error.code() == treble::ErrorCode::internal) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(data, size);
  const std::vector<std::uint8_t> mended = with_length(bytes);
  attempt([&] { read_file(std::as_bytes(bytes)); });
  attempt([&] { read_file(std::as_bytes(std::span(mended))); });
  attempt([&] { treble::internal::parse_shard_index({reinterpret_cast<const char*>(data), size}, "fuzz"); });
  return 0;
}
