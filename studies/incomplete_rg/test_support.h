// What the tests share.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "potential.h"

namespace incomplete_rg {

/// Fourth-order central difference of `value` at `x`.
inline double derivative(const std::function<double(double)>& value, double x, double step = 1e-3) {
  return (8 * (value(x + step) - value(x - step)) - (value(x + 2 * step) - value(x - 2 * step))) / (12 * step);
}

/// Random inputs, the same in every run.
class Draws {
 public:
  double between(double low, double high) { return std::uniform_real_distribution(low, high)(generator_); }
  Potential potential() { return Potential(kPotentials[std::uniform_int_distribution<std::size_t>(0, 2)(generator_)]); }

 private:
  std::mt19937 generator_{20211214};
};

}  // namespace incomplete_rg
