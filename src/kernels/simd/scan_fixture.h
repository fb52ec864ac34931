// Random inputs of the selective scan, for its tests.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>
#include <random>
#include <vector>

#include "kernels/reference/reference.h"
#include "kernels/selective_scan.h"
#include "kernels/test_support.h"

namespace treble::internal::test {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct ScanCase {
  std::vector<std::int64_t> lengths = {};
  std::int64_t num_heads = 1;
  std::int64_t num_groups = 1;
  std::int64_t head_dim = 8;
  std::int64_t state_size = 8;
  float min_step = 1e-3F;
  float max_step = 0.1F;
  float log_retain = 0;
  float insert = 1;
  float max_norm = 0;  ///< of every second head; 0: no limits
  bool with_d = true;
  bool with_states = true;
};

inline std::ostream& operator<<(std::ostream& out, const ScanCase& c) {
  out << "lengths";
  for (const auto length : c.lengths) out << ' ' << length;
  return out << ", heads " << c.num_heads << '/' << c.num_groups << ", P " << c.head_dim << ", N " << c.state_size
             << ", step " << c.min_step << " to " << c.max_step << ", log_retain " << c.log_retain << ", insert "
             << c.insert << ", max_norm " << c.max_norm << ", d " << c.with_d << ", states " << c.with_states;
}

struct ScanResult {
  std::vector<float> y;
  std::vector<float> states;
  bool operator==(const ScanResult&) const = default;
};

/// Inputs in one matrix, as a projection leaves them: x, B, C, with odd columns between, so that rows are misaligned.
class ScanFixture {
 public:
  explicit ScanFixture(const ScanCase& c, unsigned seed = 7) : width_(c.num_heads * c.head_dim) {
    offsets_.push_back(0);
    for (const auto length : c.lengths) offsets_.push_back(offsets_.back() + length);
    const std::int64_t tokens = offsets_.back();
    const std::int64_t states = c.num_groups * c.state_size;
    const std::int64_t stride = width_ + 2 * states + 3;
    values_ = random_values(tokens * stride + 1, seed);
    inputs_.x = ConstMatrixView(values_.data() + 1, tokens, width_, stride);
    inputs_.b = ConstMatrixView(values_.data() + 1 + width_, tokens, states, stride);
    inputs_.c = ConstMatrixView(values_.data() + 1 + width_ + states, tokens, states, stride);
    fill_steps(c, tokens, seed);
    inputs_.step = ConstMatrixView(steps_.data(), tokens, c.num_heads, c.num_heads + 1);
    for (std::int64_t head = 0; head < c.num_heads; ++head) {
      a_.push_back(-16.0F * std::pow(1e-3F, static_cast<float>(head + 1) / static_cast<float>(c.num_heads + 1)));
      if (c.with_d) d_.push_back(1.0F - 0.3F * static_cast<float>(head));
      if (c.max_norm > 0) max_norms_.push_back(head % 2 == 0 ? c.max_norm : kInfinity);
    }
    inputs_.a = a_;
    inputs_.d = d_;
    inputs_.max_norms = max_norms_;
    inputs_.offsets = offsets_;
    inputs_.num_heads = c.num_heads;
    inputs_.num_groups = c.num_groups;
    inputs_.log_retain = c.log_retain;
    inputs_.insert = c.insert;
    if (!c.with_states) return;
    states_ = random_values(static_cast<std::int64_t>(c.lengths.size()) * inputs_.state_values(), seed + 2);
  }

  ScanResult run(const Execution& execution, ScanObserver* observer = nullptr) const {
    ScanResult result = empty_result();
    selective_scan(execution, inputs_, result.states, view(result.y), observer);
    return result;
  }

  ScanResult run() const { return run(TestExecution()); }

  ScanResult run_reference() const {
    ScanResult result = empty_result();
    reference::selective_scan(inputs_, result.states, view(result.y));
    return result;
  }

  /// y and the states, relative to the reference's maximum.
  void expect_like(const ScanResult& wanted) const {
    const ScanResult found = run();
    EXPECT_LE(relative_difference(found.y, wanted.y), 1e-5) << "of y";
    EXPECT_LE(relative_difference(found.states, wanted.states), 1e-5) << "of the states";
  }

  /// The maximum difference, relative to the maximum of `wanted`.
  static double relative_difference(const std::vector<float>& found, const std::vector<float>& wanted) {
    double scale = 0;
    for (const float value : wanted) scale = std::max(scale, std::abs(double{value}));
    const auto size = static_cast<std::int64_t>(wanted.size());
    const double difference =
        max_abs_difference(ConstMatrixView(found.data(), 1, size), ConstMatrixView(wanted.data(), 1, size));
    return difference == 0 ? 0 : difference / scale;
  }

  ScanInputs& inputs() { return inputs_; }
  std::vector<float>& values() { return values_; }
  std::vector<float>& steps() { return steps_; }
  std::vector<float>& states() { return states_; }
  std::vector<float>& max_norms() { return max_norms_; }
  std::int64_t width() const { return width_; }

 private:
  /// Even on a logarithmic scale, so that large and small steps follow each other.
  void fill_steps(const ScanCase& c, std::int64_t tokens, unsigned seed) {
    std::mt19937 generator(seed + 1);
    std::uniform_real_distribution<float> logarithm(std::log(c.min_step), std::log(c.max_step));
    for (std::int64_t i = 0; i < tokens * (c.num_heads + 1); ++i) steps_.push_back(std::exp(logarithm(generator)));
  }

  ScanResult empty_result() const {
    return {std::vector<float>(static_cast<std::size_t>(offsets_.back() * width_), kNaN), states_};
  }
  MatrixView view(std::vector<float>& values) const { return {values.data(), offsets_.back(), width_}; }

  std::int64_t width_;
  std::vector<std::int64_t> offsets_;
  std::vector<float> values_;
  std::vector<float> steps_;
  std::vector<float> a_;
  std::vector<float> d_;
  std::vector<float> max_norms_;
  std::vector<float> states_;
  ScanInputs inputs_;
};

}  // namespace treble::internal::test
