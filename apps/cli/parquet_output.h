// Parquet outputs, written by a Python part of Treble with pyarrow.
#pragma once

#include <string>

#include "treble/bulk.h"

namespace treble::cli {

/// For an output that ends in .parquet, whose Python interpreter is looked for at once; nothing for others. Throws
/// Error{not_found} naming `output` and what to install. The converter throws Error{io} with what Python says.
VectorConverter vector_converter(const std::string& output);

}  // namespace treble::cli
