// The minimum of a smooth convex function.
#pragma once

#include <functional>
#include <vector>

namespace treble::internal {

/// The value at `point`; writes the gradient there, which is as long.
using SmoothFunction = std::function<double(const std::vector<double>& point, std::vector<double>& gradient)>;

struct MinimizeOptions {
  double tolerance = 1e-6;  ///< of the largest absolute entry of the gradient
  int max_steps = 1000;
};

/// Moves `point` to the minimum: limited-memory BFGS (Nocedal & Wright, Numerical Optimization, algorithm 7.4) with a
/// backtracking line search. Stops early where no step makes the value smaller, as rounding does near the minimum.
void minimize(const SmoothFunction& function, const MinimizeOptions& options, std::vector<double>& point);

}  // namespace treble::internal
