// Vectors as text.
#pragma once

#include <span>
#include <string>

namespace treble::server {

/// Appends "[0.1,-2e-05,…]": each number the shortest decimal that reads back as the same float32.
void append_numbers(std::string& json, std::span<const float> values);

/// Appends a JSON string of the base64 of the float32 values, little-endian (RFC 4648, padded).
void append_base64(std::string& json, std::span<const float> values);

}  // namespace treble::server
