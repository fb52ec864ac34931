// The JSON header of a safetensors file, as written: types and duplicates are checked here, offsets in file_image.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace treble::internal {

/// What the header says of one tensor.
struct HeaderEntry {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  ///< byte offsets from the end of the header
  std::uint64_t end = 0;
};

struct ParsedHeader {
  std::map<std::string, HeaderEntry, std::less<>> tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads the header's text in one pass without building a JSON tree: time and memory are linear in its size, nesting
/// costs nothing since the format has three levels and a fourth is refused. `file` is for messages.
/// Throws Error{invalid_file}: not JSON, not UTF-8, not an object, a key twice, a field of the wrong type, missing or
/// unknown, an unknown dtype, a dimension that is negative, fractional or beyond 63 bits, more than 64 dimensions.
/// Throws Error{unsupported} for a dtype of the format that Treble does not read (F8, F6, F4, C64).
ParsedHeader parse_header(std::string_view text, const std::string& file);

}  // namespace treble::internal
