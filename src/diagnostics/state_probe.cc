#include "diagnostics/state_probe.h"

#include <algorithm>
#include <cmath>

namespace treble::internal {

namespace {

void add(const StateEstimate& from, StateEstimate& to) {
  to.mean += from.mean;
  to.variance += from.variance;
  to.rms += from.rms;
  to.retention += from.retention;
}

/// Index of `value` in a rising list, or its size.
std::size_t index_of(const std::vector<std::int64_t>& rising, std::int64_t value) {
  const auto found = std::lower_bound(rising.begin(), rising.end(), value);
  return found == rising.end() || *found != value ? rising.size() : static_cast<std::size_t>(found - rising.begin());
}

}  // namespace

StateEstimate measure_state(const StateSample& sample) {
  const ConstMatrixView& state = sample.state;
  double sum = 0;
  double squares = 0;
  for (std::int64_t row = 0; row < state.rows; ++row) {
    for (std::int64_t col = 0; col < state.cols; ++col) {
      const double value = state.row(row)[col];
      sum += value;
      squares += value * value;
    }
  }
  const auto count = static_cast<double>(state.rows * state.cols);
  const double mean = sum / count;
  return {.mean = mean,
          .variance = std::max(0.0, squares / count - mean * mean),
          .rms = std::sqrt(squares / count),
          .retention = std::exp(sample.log_retention)};
}

double frobenius_norm(ConstMatrixView state) {
  double squares = 0;
  for (std::int64_t row = 0; row < state.rows; ++row) {
    for (std::int64_t col = 0; col < state.cols; ++col) squares += double{state.row(row)[col]} * state.row(row)[col];
  }
  return std::sqrt(squares);
}

StateProbe::StateProbe(const StateProbePlace& place)
    : place_(place),
      sums_(place.layers.size() * static_cast<std::size_t>(place.num_heads) * place.positions.size()),
      texts_(place.positions.size()) {}

std::size_t StateProbe::at(std::size_t layer, std::int64_t head, std::size_t position) const {
  const std::size_t row = layer * static_cast<std::size_t>(place_.num_heads) + static_cast<std::size_t>(head);
  return row * place_.positions.size() + position;
}

void StateProbe::on_state(std::int64_t layer, const StateSample& sample) {
  const std::size_t row = index_of(place_.layers, layer);
  const std::size_t position = index_of(place_.positions, sample.tokens);
  if (row == place_.layers.size() || position == place_.positions.size()) return;
  internal::add(measure_state(sample), sums_[at(row, sample.head, position)]);
  if (row == 0 && sample.head == 0) ++texts_[position];
}

void StateProbe::add(const StateProbe& other) {
  for (std::size_t i = 0; i < sums_.size(); ++i) internal::add(other.sums_[i], sums_[i]);
  for (std::size_t i = 0; i < texts_.size(); ++i) texts_[i] += other.texts_[i];
}

std::vector<StateEstimate> StateProbe::means(std::size_t layer, std::int64_t head) const {
  std::vector<StateEstimate> result;
  for (std::size_t position = 0; position < texts_.size(); ++position) {
    const auto count = static_cast<double>(std::max<std::int64_t>(1, texts_[position]));
    const StateEstimate& sum = sums_[at(layer, head, position)];
    result.push_back({sum.mean / count, sum.variance / count, sum.rms / count, sum.retention / count});
  }
  return result;
}

}  // namespace treble::internal
