// Vectors as text.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "treble/precision.h"

namespace treble::server {

/// Appends "[0.1,-2e-05,…]": each number the shortest decimal that reads back as the same float32.
void append_numbers(std::string& json, std::span<const float> values);

/// Appends a JSON string of the base64 of `bytes` (RFC 4648, padded).
void append_base64(std::string& json, std::span<const std::byte> bytes);

/// Appends a vector in the quantizer's precision, as a list of numbers or the base64 of its little-endian bytes.
void append_vector(std::string& json, std::span<const float> vector, const Quantizer& quantizer, bool base64);

}  // namespace treble::server
