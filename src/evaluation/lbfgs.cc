#include "evaluation/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <numeric>
#include <ranges>
#include <utility>

namespace treble::internal {

namespace {

using Vector = std::vector<double>;

/// Steps that are remembered.
constexpr std::size_t kMemory = 10;
/// A step has to reach this share of what the slope promises (Armijo's condition).
constexpr double kSufficient = 1e-4;
constexpr int kMaxHalvings = 50;

double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

double max_abs(const Vector& values) {
  double result = 0;
  for (const double value : values) result = std::max(result, std::abs(value));
  return result;
}

void add_scaled(double factor, const Vector& what, Vector& to) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * what[i];
}

struct Step {
  Vector move;    ///< of the point
  Vector change;  ///< of the gradient
  double product;
};

/// Minus the inverse Hessian, as the steps so far show it, times the gradient.
Vector direction_of(const std::deque<Step>& steps, const Vector& gradient) {
  Vector direction = gradient;
  Vector weights;
  for (const Step& step : std::views::reverse(steps)) {
    weights.push_back(dot(step.move, direction) / step.product);
    add_scaled(-weights.back(), step.change, direction);
  }
  double scale = 1;
  if (!steps.empty()) scale = steps.back().product / dot(steps.back().change, steps.back().change);
  for (double& value : direction) value *= scale;
  for (const Step& step : steps) {
    const double weight = weights.back() - dot(step.change, direction) / step.product;
    weights.pop_back();
    add_scaled(weight, step.move, direction);
  }
  for (double& value : direction) value = -value;
  return direction;
}

}  // namespace

void minimize(const SmoothFunction& function, const MinimizeOptions& options, Vector& point) {
  Vector gradient(point.size());
  double value = function(point, gradient);
  std::deque<Step> steps;
  for (int round = 0; round < options.max_steps && max_abs(gradient) > options.tolerance; ++round) {
    const Vector direction = direction_of(steps, gradient);
    const double slope = dot(direction, gradient);
    // Without a memory the gradient has no scale: a first step of length 1 at most.
    double length = steps.empty() ? std::min(1.0, 1 / std::sqrt(dot(gradient, gradient))) : 1;
    Vector next(point.size());
    Vector next_gradient(point.size());
    double next_value = value;
    int halvings = 0;
    for (; halvings < kMaxHalvings; ++halvings, length /= 2) {
      next = point;
      add_scaled(length, direction, next);
      next_value = function(next, next_gradient);
      if (next_value <= value + kSufficient * length * slope) break;
    }
    if (halvings == kMaxHalvings) return;
    Step step = {next, next_gradient, 0};
    add_scaled(-1, point, step.move);
    add_scaled(-1, gradient, step.change);
    step.product = dot(step.move, step.change);
    if (step.product > 0) steps.push_back(std::move(step));
    if (steps.size() > kMemory) steps.pop_front();
    point = std::move(next);
    gradient = std::move(next_gradient);
    value = next_value;
  }
}

}  // namespace treble::internal
