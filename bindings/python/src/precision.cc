#include "precision.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "treble/error.h"
#include "treble/precision.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<2>, nb::c_contig>;

std::span<const float> floats_of(const Matrix& matrix) { return {matrix.data(), matrix.size()}; }

/// [2, dim]: minimum and maximum.
VectorRanges ranges_of(const Matrix& matrix) {
  const std::span<const float> both = floats_of(matrix);
  if (matrix.shape(0) != 2) {
    std::string message = "ranges are [2, dim], minimum and maximum, not [";
    message += std::to_string(matrix.shape(0)) + ", " + std::to_string(matrix.shape(1)) + "]";
    throw Error(ErrorCode::invalid_argument, message);
  }
  const auto half = both.begin() + static_cast<std::ptrdiff_t>(matrix.shape(1));
  VectorRanges ranges;
  ranges.min.assign(both.begin(), half);
  ranges.max.assign(half, both.end());
  return ranges;
}

/// The bytes of rows, [n, bytes of a row].
Bytes quantize_rows(const Matrix& vectors, const std::string& precision, const std::optional<Matrix>& ranges) {
  std::optional<VectorRanges> limits;
  if (ranges) limits = ranges_of(*ranges);
  const Quantizer quantizer(static_cast<std::int64_t>(vectors.shape(1)), parse_precision(precision), std::move(limits));
  Buffer<std::uint8_t> rows(vectors.shape(0) * quantizer.row_bytes());
  {
    const nb::gil_scoped_release released;
    quantizer.quantize(floats_of(vectors), std::as_writable_bytes(rows.span()));
  }
  return rows.to_array<Bytes>({vectors.shape(0), quantizer.row_bytes()});
}

/// [2, dim] of a file.
Vectors load_ranges(const std::string& path) {
  const VectorRanges ranges = VectorRanges::load(path);
  std::vector<float> both = ranges.min;
  both.insert(both.end(), ranges.max.begin(), ranges.max.end());
  return to_array(std::move(both), {2, ranges.min.size()});
}

}  // namespace

void bind_precision(nb::module_& module) {
  module.def("quantize", &quantize_rows, "vectors"_a, "precision"_a, "ranges"_a = nb::none(),
             "The bytes of rows of a precision, [n, bytes of a row]; ranges [2, dim] for int8 and uint8.");
  module.def("load_ranges", &load_ranges, "path"_a, "[2, dim] of a file of `treble fit --transform ranges`.");
}

}  // namespace treble::python
