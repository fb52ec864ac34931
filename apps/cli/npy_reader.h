// Matrices in NumPy's .npy files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace treble::cli {

/// [rows, cols], row-major.
struct NpyMatrix {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<double> values;
};

/// A two-dimensional array of little-endian float32 or float64 in C or Fortran order, format versions 1 to 3. Throws
/// Error{not_found, io} for the file, Error{invalid_file} naming what is in it and what is needed.
NpyMatrix read_npy_matrix(const std::string& path);

}  // namespace treble::cli
