#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "base/sha256.h"
#include "safetensors/safetensors.h"
#include "treble/precision.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kRangesKey = "treble_ranges";
constexpr const char* kRangesSchema = "treble.ranges/1";
constexpr const char* kRangesTensor = "ranges";

/// [2, dim], as numpy has ranges.
std::vector<float> stacked(const VectorRanges& ranges) {
  std::vector<float> both = ranges.min;
  both.insert(both.end(), ranges.max.begin(), ranges.max.end());
  return both;
}

Json read_ranges_metadata(const TensorArchive& archive, const std::filesystem::path& path) {
  const auto found = archive.metadata().find(kRangesKey);
  if (found == archive.metadata().end()) {
    fail_file(path, ErrorCode::invalid_file,
              "these are no ranges: its metadata lack \"{}\"; `treble fit --transform ranges` makes them", kRangesKey);
  }
  Json json = try_parse_ordered(found->second);
  if (!json.is_object() || json.value("schema", "") != kRangesSchema) {
    fail_file(path, ErrorCode::invalid_file, R"("{}" does not say "schema": "{}")", kRangesKey, kRangesSchema);
  }
  return json;
}

}  // namespace

void VectorRanges::add(std::span<const float> values, std::int64_t dim) {
  const auto width = static_cast<std::size_t>(std::max<std::int64_t>(dim, 0));
  if (width == 0 || values.size() % width != 0) {
    fail(ErrorCode::invalid_argument, "{} numbers are no vectors of {} dimensions", values.size(), dim);
  }
  if (!min.empty() && min.size() != width) {
    fail(ErrorCode::invalid_argument, "the ranges are of {} dimensions, the vectors have {}", min.size(), dim);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      fail_text(static_cast<std::int64_t>(i / width), ErrorCode::non_finite, "dimension {} is {}", i % width,
                values[i]);
    }
  }
  for (std::size_t row = 0; row < values.size() / width; ++row) {
    const auto vector = values.subspan(row * width, width);
    if (min.empty()) {
      min.assign(vector.begin(), vector.end());
      max = min;
    }
    for (std::size_t i = 0; i < width; ++i) {
      min[i] = std::min(min[i], vector[i]);
      max[i] = std::max(max[i], vector[i]);
    }
    ++texts;
  }
}

std::int64_t VectorRanges::count_outside(std::span<const float> values) const noexcept {
  std::int64_t outside = 0;
  for (std::size_t row = 0; row + min.size() <= values.size(); row += min.size()) {
    for (std::size_t i = 0; i < min.size(); ++i) {
      const float value = values[row + i];
      outside += value < min[i] || value > max[i] ? 1 : 0;
    }
    if (min.empty()) break;
  }
  return outside;
}

void VectorRanges::check() const {
  const std::string where = file.empty() ? "" : file.string() + ": ";
  if (min.empty() || min.size() != max.size()) {
    fail_about(file, ErrorCode::invalid_argument,
               "{}ranges need a minimum and a maximum of each dimension, not {} and {} numbers", where, min.size(),
               max.size());
  }
  for (std::size_t i = 0; i < min.size(); ++i) {
    if (!std::isfinite(min[i]) || !std::isfinite(max[i]) || !std::isfinite(max[i] - min[i])) {
      fail_about(file, ErrorCode::invalid_argument, "{}the range of dimension {} is {} to {}; both must be numbers",
                 where, i, min[i], max[i]);
    }
    if (min[i] > max[i]) {
      fail_about(file, ErrorCode::invalid_argument,
                 "{}the range of dimension {} is {} to {}; the minimum comes first, then the maximum", where, i, min[i],
                 max[i]);
    }
  }
}

VectorRanges VectorRanges::load(const std::filesystem::path& path) {
  const TensorArchive archive = TensorArchive::open_file(path);
  const Json json = read_ranges_metadata(archive, path);
  const StoredTensor* tensor = archive.find(kRangesTensor);
  if (tensor == nullptr || tensor->shape.size() != 2 || tensor->shape[0] != 2 || tensor->shape[1] < 1) {
    fail_file(path, ErrorCode::invalid_file, R"(it needs a tensor "{}" of [2, dim]: minimum and maximum)",
              kRangesTensor);
  }
  std::vector<float> both(static_cast<std::size_t>(tensor->num_elements()));
  copy_as_float(*tensor, kRangesTensor, both);
  const auto half = both.begin() + static_cast<std::ptrdiff_t>(tensor->shape[1]);
  VectorRanges ranges;
  ranges.min.assign(both.begin(), half);
  ranges.max.assign(half, both.end());
  ranges.file = path;
  if (const auto texts = json.find("texts"); texts != json.end() && texts->is_number_integer()) {
    ranges.texts = texts->get<std::int64_t>();
  }
  if (json.contains("vectors")) ranges.vectors = json_text(json["vectors"]);
  try {
    ranges.check();
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid_file, error.what(), {.text_index = {}, .file = path});
  }
  return ranges;
}

void VectorRanges::save(const std::filesystem::path& path, Existing existing) const {
  check();
  const std::vector<float> both = stacked(*this);
  const std::vector<TensorToWrite> tensors = {{kRangesTensor, DType::kF32, {2, dim()}, std::as_bytes(std::span(both))}};
  const Json json = {{"schema", kRangesSchema},
                     {"treble_version", version()},
                     {"texts", texts},
                     {"vectors", try_parse_ordered(vectors.empty() ? "null" : vectors)}};
  write_safetensors(path, tensors, {{kRangesKey, json_text(json)}}, existing);
}

std::string VectorRanges::sha256() const {
  const std::vector<float> both = stacked(*this);
  Sha256 hash;
  hash.update(std::as_bytes(std::span(both)));
  return hash.hex_digest();
}

}  // namespace treble
