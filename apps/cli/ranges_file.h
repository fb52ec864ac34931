// Ranges of dimensions from a file, for vectors in int8 and uint8.
#pragma once

#include <optional>
#include <string>

#include "treble/precision.h"

namespace treble::cli {

/// A file of `treble fit --transform ranges`, or a .npy of [2, dim] floats, minimum and maximum; nothing for "". Throws
/// what VectorRanges::load, VectorRanges::check and read_npy_matrix throw; Error{invalid_file} for another shape.
std::optional<VectorRanges> read_ranges(const std::string& path);

}  // namespace treble::cli
