// A whole safetensors file in memory, wherever the bytes came from.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "safetensors/safetensors.h"

namespace treble::internal {

/// The tensors of one file; their bytes lie in the span that was read.
struct FileImage {
  std::map<std::string, StoredTensor, std::less<>> tensors;
  std::map<std::string, std::string> metadata;
};

/// Checks the bytes of a file and finds its tensors: 8 bytes (little-endian) length of the header, the header, the
/// data. The data must be covered by the tensors entirely, without overlap or gap, as the format demands. Throws
/// Error{invalid_file} naming `file`, the tensor and both sizes; see also parse_header.
FileImage read_file_image(std::span<const std::byte> bytes, const std::string& file);

}  // namespace treble::internal
