#include "ranges_file.h"

#include <filesystem>

#include "fail.h"
#include "npy_reader.h"

namespace treble::cli {

namespace {

VectorRanges ranges_of(const NpyMatrix& matrix, const std::string& path) {
  if (matrix.rows != 2 || matrix.cols < 1) {
    fail(ErrorCode::invalid_file, "{}: an array of [{}, {}]; ranges are [2, dim], minimum and maximum", path,
         matrix.rows, matrix.cols);
  }
  const auto half = matrix.values.begin() + static_cast<std::ptrdiff_t>(matrix.cols);
  VectorRanges ranges;
  ranges.min.assign(matrix.values.begin(), half);
  ranges.max.assign(half, matrix.values.end());
  ranges.file = path;
  ranges.check();
  return ranges;
}

}  // namespace

std::optional<VectorRanges> read_ranges(const std::string& path) {
  if (path.empty()) return std::nullopt;
  if (std::filesystem::path(path).extension() == ".npy") return ranges_of(read_npy_matrix(path), path);
  return VectorRanges::load(path);
}

}  // namespace treble::cli
