#include "layers/rotary_scaling.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace treble::internal {

namespace {

constexpr double kTurn = 2 * std::numbers::pi;

/// Long waves are slowed by the factor, short ones kept, those between blended.
void apply_llama3(const RotaryConfig& rotary, std::vector<double>& frequencies) {
  for (double& frequency : frequencies) {
    const double turns = rotary.original_positions * frequency / kTurn;
    const double blend = std::clamp(
        (turns - rotary.low_frequency_factor) / (rotary.high_frequency_factor - rotary.low_frequency_factor), 0.0, 1.0);
    frequency = (1 - blend) * frequency / rotary.factor + blend * frequency;
  }
}

/// The dimension whose wave turns `rotations` times over the original positions.
double yarn_dimension(const RotaryConfig& rotary, double rotations, std::int64_t dim) {
  return static_cast<double>(dim) * std::log(rotary.original_positions / (rotations * kTurn)) /
         (2 * std::log(rotary.base));
}

void apply_yarn(const RotaryConfig& rotary, std::int64_t dim, std::vector<double>& frequencies) {
  double low = yarn_dimension(rotary, rotary.beta_fast, dim);
  double high = yarn_dimension(rotary, rotary.beta_slow, dim);
  if (rotary.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dim - 1));
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double interpolated = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] *= interpolated / rotary.factor + (1 - interpolated);
  }
}

/// Of a text of `length` tokens: base · (f · n / n0 − (f − 1))^(dim / (dim − 2)).
double dynamic_base(const RotaryConfig& rotary, std::int64_t dim, std::int64_t length) {
  const double tokens = std::max(static_cast<double>(length), rotary.original_positions);
  if (dim <= 2) return rotary.base;
  const double stretch = rotary.factor * tokens / rotary.original_positions - (rotary.factor - 1);
  return rotary.base * std::pow(stretch, static_cast<double>(dim) / static_cast<double>(dim - 2));
}

void divide(std::vector<double>& frequencies, const std::vector<double>& factors) {
  for (std::size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= factors[i];
}

}  // namespace

const char* rotary_scaling_name(RotaryScaling scaling) noexcept {
  switch (scaling) {
    case RotaryScaling::none: return "default";
    case RotaryScaling::linear: return "linear";
    case RotaryScaling::ntk: return "ntk";
    case RotaryScaling::dynamic: return "dynamic";
    case RotaryScaling::yarn: return "yarn";
    case RotaryScaling::longrope: return "longrope";
    case RotaryScaling::llama3: return "llama3";
  }
  return "default";
}

std::vector<double> rotary_frequencies(double base, std::int64_t dim) {
  std::vector<double> frequencies;
  frequencies.reserve(static_cast<std::size_t>(dim / 2));
  for (std::int64_t i = 0; i < dim / 2; ++i) {
    frequencies.push_back(std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(dim)));
  }
  return frequencies;
}

std::vector<double> rotary_frequencies(const RotaryConfig& rotary, std::int64_t dim, std::int64_t length) {
  double base = rotary.base;
  if (rotary.scaling == RotaryScaling::ntk) base *= rotary.factor;
  if (rotary.scaling == RotaryScaling::dynamic) base = dynamic_base(rotary, dim, length);
  std::vector<double> frequencies = rotary_frequencies(base, dim);
  double shrink = 1;
  switch (rotary.scaling) {
    case RotaryScaling::none:
    case RotaryScaling::dynamic: break;
    case RotaryScaling::linear: shrink = rotary.factor; break;
    case RotaryScaling::ntk: shrink = std::pow(rotary.factor, 2.0 / static_cast<double>(dim)); break;
    case RotaryScaling::yarn: apply_yarn(rotary, dim, frequencies); break;
    case RotaryScaling::llama3: apply_llama3(rotary, frequencies); break;
    case RotaryScaling::longrope:
      divide(frequencies,
             static_cast<double>(length) > rotary.original_positions ? rotary.long_factors : rotary.short_factors);
      break;
  }
  for (double& frequency : frequencies) frequency /= shrink;
  return frequencies;
}

}  // namespace treble::internal
