#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/fail_about.h"
#include "tensor/dtype.h"
#include "tensor/half.h"
#include "treble/precision.h"

namespace treble {

using namespace internal;

static_assert(std::endian::native == std::endian::little, "rows are made as they lie in memory");

namespace {

constexpr std::array<std::pair<Precision, std::string_view>, 6> kPrecisions = {{{Precision::float32, "float32"},
                                                                                {Precision::float16, "float16"},
                                                                                {Precision::int8, "int8"},
                                                                                {Precision::uint8, "uint8"},
                                                                                {Precision::binary, "binary"},
                                                                                {Precision::ubinary, "ubinary"}}};
/// Between the minimum and maximum of 256 values.
constexpr float kSteps = 255;
/// What the signed forms are shifted by.
constexpr int kSigned = 128;

bool is_packed(Precision precision) { return precision == Precision::binary || precision == Precision::ubinary; }

/// How the bytes of the signed forms are made of those of the unsigned ones: byte − 128, as two's complement.
std::byte shifted(int value, bool is_signed) {
  return static_cast<std::byte>(static_cast<unsigned>(is_signed ? value - kSigned : value) & 0xFFU);
}

void to_half(std::span<const float> vectors, std::int64_t dim, std::span<std::byte> rows) {
  constexpr std::uint16_t kInfinity = 0x7C00;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const std::uint16_t bits = float_to_half(vectors[i]);
    if ((bits & 0x7FFFU) == kInfinity) {
      const auto at = static_cast<std::int64_t>(i);
      fail_text(at / dim, ErrorCode::non_finite,
                "dimension {} is {}, beyond the 65504 of float16; normalise the vectors, or store them as float32",
                at % dim, vectors[i]);
    }
    std::memcpy(rows.data() + i * sizeof(bits), &bits, sizeof(bits));
  }
}

void pack_bits(std::span<const float> vector, bool is_signed, std::span<std::byte> row) {
  for (std::size_t byte = 0; byte < row.size(); ++byte) {
    const auto eight = vector.subspan(byte * 8, std::min<std::size_t>(8, vector.size() - byte * 8));
    int bits = 0;
    for (std::size_t i = 0; i < eight.size(); ++i) bits |= eight[i] > 0 ? 0x80 >> i : 0;
    row[byte] = shifted(bits, is_signed);
  }
}

template <typename T>
T read_as(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

std::size_t element_bytes(Precision precision) {
  if (precision == Precision::float32) return sizeof(float);
  return precision == Precision::float16 ? sizeof(std::uint16_t) : 1;
}

}  // namespace

Precision parse_precision(std::string_view name) {
  const auto found = std::ranges::find(kPrecisions, name, &std::pair<Precision, std::string_view>::second);
  if (found != kPrecisions.end()) return found->first;
  fail(ErrorCode::invalid_argument,
       "precision \"{:.40}\" is not known; there are float32, float16, int8, uint8, binary and ubinary", name);
}

std::string to_string(Precision precision) {
  const auto* found = std::ranges::find(kPrecisions, precision, &std::pair<Precision, std::string_view>::first);
  return std::string(found->second);
}

bool needs_ranges(Precision precision) noexcept {
  return precision == Precision::int8 || precision == Precision::uint8;
}

Quantizer::Quantizer(std::int64_t dim, Precision precision, std::optional<VectorRanges> ranges)
    : dim_(dim), precision_(precision), ranges_(std::move(ranges)) {
  if (dim < 1) fail(ErrorCode::invalid_argument, "vectors of {} dimensions cannot be stored", dim);
  if (!needs_ranges(precision)) {
    if (ranges_) {
      fail(ErrorCode::invalid_argument, "ranges are for int8 and uint8; precision {} has none", to_string(precision));
    }
    return;
  }
  if (!ranges_) {
    fail(ErrorCode::invalid_argument,
         "precision {} needs the range of each dimension; `treble fit --transform ranges` takes it from texts and "
         "writes the file for --ranges, once for all vectors that will be compared",
         to_string(precision));
  }
  ranges_->check();
  if (ranges_->dim() != dim) {
    fail(ErrorCode::invalid_argument,
         "{}the ranges are of {} dimensions, and the vectors have {}; fit them anew with the same model, --dimensions "
         "and --post",
         ranges_->file.empty() ? "" : ranges_->file.string() + ": ", ranges_->dim(), dim);
  }
  steps_.resize(ranges_->min.size());
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    steps_[i] = (ranges_->max[i] - ranges_->min[i]) / kSteps;
    if (steps_[i] == 0) steps_[i] = 1;
  }
}

std::int64_t Quantizer::columns() const noexcept { return is_packed(precision_) ? (dim_ + 7) / 8 : dim_; }

std::size_t Quantizer::row_bytes() const noexcept {
  return static_cast<std::size_t>(columns()) * element_bytes(precision_);
}

void Quantizer::quantize(std::span<const float> vectors, std::span<std::byte> rows) const {
  const auto dim = static_cast<std::size_t>(dim_);
  const std::size_t count = vectors.size() / dim;
  if (count * dim != vectors.size() || rows.size() != count * row_bytes()) {
    fail(ErrorCode::invalid_argument,
         "{} numbers as vectors of {} dimensions do not fit into {} bytes as rows of {} bytes", vectors.size(), dim_,
         rows.size(), row_bytes());
  }
  const auto* wrong = std::find_if_not(vectors.data(), vectors.data() + vectors.size(),
                                       [](float value) { return std::isfinite(value); });
  if (const std::int64_t at = wrong - vectors.data(); at < std::ssize(vectors)) {
    fail_text(at / dim_, ErrorCode::non_finite, "dimension {} is {}", at % dim_, *wrong);
  }
  if (precision_ == Precision::float32) {
    std::ranges::copy(std::as_bytes(vectors), rows.begin());
    return;
  }
  if (precision_ == Precision::float16) return to_half(vectors, dim_, rows);
  const bool is_signed = precision_ == Precision::int8 || precision_ == Precision::binary;
  const std::span<const float> starts = ranges_ ? std::span<const float>(ranges_->min) : std::span<const float>();
  for (std::size_t row = 0; row < count; ++row) {
    const auto vector = vectors.subspan(row * dim, dim);
    const auto out = rows.subspan(row * row_bytes(), row_bytes());
    if (is_packed(precision_)) {
      pack_bits(vector, is_signed, out);
      continue;
    }
    for (std::size_t i = 0; i < dim; ++i) {
      const float level = std::floor((vector[i] - starts[i]) / steps_[i]);
      out[i] = shifted(static_cast<int>(std::clamp(level, 0.0F, kSteps)), is_signed);
    }
  }
}

std::vector<std::byte> Quantizer::quantize(std::span<const float> vectors) const {
  std::vector<std::byte> rows(vectors.size() / static_cast<std::size_t>(dim_) * row_bytes());
  quantize(vectors, rows);
  return rows;
}

std::string Quantizer::json(std::span<const std::byte> row) const {
  if (row.size() != row_bytes()) {
    fail(ErrorCode::invalid_argument, "a row of {} bytes, {} has rows of {}", row.size(), to_string(precision_),
         row_bytes());
  }
  const bool is_signed = precision_ == Precision::int8 || precision_ == Precision::binary;
  fmt::memory_buffer out;
  const auto end = std::back_inserter(out);
  for (std::size_t at = 0; at < row.size(); at += element_bytes(precision_)) {
    out.push_back(at == 0 ? '[' : ',');
    const std::byte* from = row.data() + at;
    if (precision_ == Precision::float32) {
      fmt::format_to(end, "{}", read_as<float>(from));
    } else if (precision_ == Precision::float16) {
      fmt::format_to(end, "{:.5g}", half_to_float(read_as<std::uint16_t>(from)));
    } else if (is_signed) {
      fmt::format_to(end, "{}", int{read_as<std::int8_t>(from)});
    } else {
      fmt::format_to(end, "{}", int{read_as<std::uint8_t>(from)});
    }
  }
  out.push_back(']');
  return fmt::to_string(out);
}

std::vector<std::byte> quantize(std::span<const float> vectors, std::int64_t dim, Precision precision,
                                const std::optional<VectorRanges>& ranges) {
  if (!needs_ranges(precision) || ranges) return Quantizer(dim, precision, ranges).quantize(vectors);
  if (vectors.empty()) return {};
  VectorRanges own;
  own.add(vectors, dim);
  if (own.texts < 2) {
    fail(ErrorCode::invalid_argument,
         "precision {} takes the range of each dimension from the vectors themselves, and there is one vector; give "
         "ranges, taken from many",
         to_string(precision));
  }
  return Quantizer(dim, precision, own).quantize(vectors);
}

}  // namespace treble
