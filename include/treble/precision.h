// Vectors in fewer bits, as sentence-transformers' `quantize_embeddings` makes them. How such vectors are compared:
// docs/outputs.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/whole_file.h"

namespace treble {

/// What the numbers of a vector are stored as. Vectors are cut to fewer dimensions and normalised before.
enum class Precision {
  float32,  ///< as computed
  float16,  ///< IEEE 754 half precision, rounded to nearest
  int8,     ///< floor((x − min) / ((max − min) / 255)) − 128 with the range of each dimension, clipped to −128…127
  uint8,    ///< the same without the −128: 0…255
  binary,  ///< a bit a dimension, 1 where x > 0; eight to a byte from its highest bit on, then each byte − 128, an int8
  ubinary,  ///< the same bytes as they are, a uint8
};

/// "float32", "float16", "int8", "uint8", "binary", "ubinary". Throws Error{invalid_argument} naming these.
TREBLE_API Precision parse_precision(std::string_view name);
TREBLE_API std::string to_string(Precision precision);
/// int8 and uint8.
TREBLE_API bool needs_ranges(Precision precision) noexcept;

/// The minimum and maximum of each dimension, between which int8 and uint8 have their 256 steps. Vectors that
/// are compared must share them: queries and documents, the corpus of today and of tomorrow.
struct VectorRanges {
  std::vector<float> min = {};      ///< [dim]
  std::vector<float> max = {};      ///< [dim]; a dimension with max = min has steps of 1, as sentence-transformers has
  std::int64_t texts = 0;           ///< that they were taken from; 0: unknown
  std::string vectors = {};         ///< what those vectors are: JSON as of BulkJob::describe, or empty
  std::filesystem::path file = {};  ///< it was read from; for messages and metadata

  std::int64_t dim() const noexcept { return static_cast<std::int64_t>(min.size()); }

  /// Widens the ranges to `values` [n, dim], the first of which set them. Throws Error{invalid_argument} when the sizes
  /// do not fit, Error{non_finite} naming the row and the dimension.
  TREBLE_API void add(std::span<const float> values, std::int64_t dim);
  /// How many of `values` [n, dim] lie outside, and will be clipped.
  TREBLE_API std::int64_t count_outside(std::span<const float> values) const noexcept;

  /// Throws Error{invalid_argument} unless both have a value for each dimension, all are finite, none of min is above
  /// its max, and no width is beyond float32.
  TREBLE_API void check() const;
  /// A safetensors file with the tensor "ranges" [2, dim], min and max: what `treble fit --transform ranges` writes.
  /// Throws Error{not_found, io, invalid_file} naming what is wrong with it.
  TREBLE_API static VectorRanges load(const std::filesystem::path& path);
  /// Whole or not at all (treble/whole_file.h).
  TREBLE_API void save(const std::filesystem::path& path, Existing existing = Existing::replace) const;
  /// Of the numbers alone.
  TREBLE_API std::string sha256() const;
};

/// Makes rows of a precision from vectors. Immutable: may be used from several threads at once.
class Quantizer {
 public:
  /// For vectors of `dim` dimensions. Throws Error{invalid_argument} when int8 or uint8 has no ranges, another
  /// precision has some, or they are of another number of dimensions, naming both; what VectorRanges::check throws.
  TREBLE_API explicit Quantizer(std::int64_t dim, Precision precision = Precision::float32,
                                std::optional<VectorRanges> ranges = {});

  Precision precision() const noexcept { return precision_; }
  std::int64_t dim() const noexcept { return dim_; }  ///< of the vectors
  const std::optional<VectorRanges>& ranges() const noexcept { return ranges_; }

  /// Numbers of a row: dim, or ceil(dim / 8) bytes of bits, of which the last is filled up with zeros.
  TREBLE_API std::int64_t columns() const noexcept;
  /// Bytes of a row.
  TREBLE_API std::size_t row_bytes() const noexcept;

  /// vectors [n, dim] → rows of n x row_bytes(), little-endian. Throws Error{invalid_argument} for sizes that do not
  /// fit, naming both; Error{non_finite} naming the row for a NaN, an infinity, or what is beyond float16.
  TREBLE_API void quantize(std::span<const float> vectors, std::span<std::byte> rows) const;
  /// The same in memory of its own.
  TREBLE_API std::vector<std::byte> quantize(std::span<const float> vectors) const;

  /// A row as a JSON list: the shortest decimals that read back as the same float32, five digits for float16 (enough to
  /// read back the same), whole numbers for the others.
  TREBLE_API std::string json(std::span<const std::byte> row) const;

 private:
  std::int64_t dim_;
  Precision precision_;
  std::optional<VectorRanges> ranges_;
  std::vector<float> steps_;  ///< of each dimension
};

/// vectors [n, dim] in `precision`; int8 and uint8 with `ranges`, else with those of the vectors themselves, of which
/// there must be two then. Throws as Quantizer does.
TREBLE_API std::vector<std::byte> quantize(std::span<const float> vectors, std::int64_t dim, Precision precision,
                                           const std::optional<VectorRanges>& ranges = {});

}  // namespace treble
