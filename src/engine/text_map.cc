#include "engine/text_map.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "diagnostics/neighbors.h"

namespace treble::internal {

namespace {

constexpr std::size_t kTextBytes = 240;

}  // namespace

std::string beginning_of(const std::string& text) {
  const std::string_view prefix = utf8_prefix(text, kTextBytes);
  return prefix.size() == text.size() ? text : std::string(prefix) + "…";
}

Projection project(ConstMatrixView vectors, const Spectrum& axes) {
  Projection result;
  result.at.resize(static_cast<std::size_t>(vectors.rows));
  double total = 0;
  const std::vector<double> mean = vectors.rows > 0 ? covariance_spectrum(vectors, 0).mean : std::vector<double>{};
  for (std::int64_t row = 0; row < vectors.rows; ++row) {
    std::array<double, 2>& at = result.at[static_cast<std::size_t>(row)];
    for (std::size_t axis = 0; std::cmp_less(axis, axes.num_axes); ++axis) {
      double offset = 0;
      for (std::int64_t col = 0; col < vectors.cols; ++col) {
        const auto c = static_cast<std::size_t>(col);
        const double weight = axes.axes[axis * static_cast<std::size_t>(vectors.cols) + c];
        at[axis] += (double{vectors.row(row)[col]} - axes.mean[c]) * weight;
        offset += (double{vectors.row(row)[col]} - mean[c]) * weight;
      }
      result.explained[axis] += offset * offset;
    }
    for (std::int64_t col = 0; col < vectors.cols; ++col) {
      const double offset = double{vectors.row(row)[col]} - mean[static_cast<std::size_t>(col)];
      total += offset * offset;
    }
  }
  if (total > 0) {
    for (double& value : result.explained) value /= total;
  }
  return result;
}

TextMapBuilder::TextMapBuilder(std::span<const SampledText> texts, std::int64_t neighbors) : neighbors_(neighbors) {
  const std::size_t count = std::min(texts.size(), kMaxMapTexts);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = i * texts.size() / count;
    shown_.push_back(static_cast<std::int64_t>(row));
    const SampledText& text = texts[row];
    map_.texts.push_back(
        {text.id.empty() ? std::to_string(text.index) : text.id, text.used, beginning_of(text.text), {}, {}});
  }
}

std::vector<float> TextMapBuilder::shown_rows(ConstMatrixView vectors) const {
  std::vector<float> rows;
  for (const std::int64_t row : shown_) rows.insert(rows.end(), vectors.row(row), vectors.row(row) + vectors.cols);
  return rows;
}

void TextMapBuilder::add(ConstMatrixView vectors, const Spectrum& axes) {
  const std::vector<float> rows = shown_rows(vectors);
  const ConstMatrixView shown(rows.data(), static_cast<std::int64_t>(shown_.size()), vectors.cols);
  // Neighbours within the map, so that each can be pointed at.
  const auto neighbors = nearest_neighbors(shown, neighbors_);
  const Projection projection = project(shown, axes);
  for (std::size_t i = 0; i < map_.texts.size(); ++i) {
    map_.texts[i].at.push_back(projection.at[i]);
    map_.texts[i].neighbors.push_back(neighbors[i]);
  }
  map_.explained.push_back(projection.explained);
}

}  // namespace treble::internal
