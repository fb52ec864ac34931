#include "collocation.h"

#include <Eigen/LU>
#include <array>
#include <cmath>
#include <complex>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "chebyshev.h"
#include "error.h"

namespace incomplete_rg {

namespace {

/// Derivatives are taken by complex steps, ∂g = Im g(x + iε)/ε, which lose no digits: the equations are analytic.
using Complex = std::complex<double>;
constexpr double kComplexStep = 1e-30;

/// What the equations at a node depend on.
struct NodeValues {
  double x;
  std::array<Complex, 5> values;  ///< u, u', u'', m, m'
};

using Residuals = std::array<Complex, 2>;

constexpr std::array kDegrees{16, 24, 32, 48, 64, 96, 128, 192};
constexpr double kAgreement = 1e-10;
constexpr int kMaxNewtonSteps = 30;
constexpr double kContraction = 0.9;
constexpr double kNewtonConverged = 1e-12;
/// Where rounding, not Newton's method, decides how small a step can be.
constexpr double kNewtonFloor = 1e-8;
/// Of continuation in the source: in u at the boundary, and as a share of the whole way.
constexpr double kLongestStep = 2;
constexpr double kSmallestStep = 1.0 / 512;

/// z = r_h/r, φ = z u, f = (r_h/z)² p with p = 1 + c₂ z² + z³ m and c₂ = (1 + α²/4)/r_h². The powers of z that the
/// equations have in common are divided out: as rows of a collocation system they would hold at z = 0 whatever the
/// solution.
struct BlackHoleEquations {
  Potential potential;
  double radius;
  double source;

  double first_value() const { return source / radius; }
  double c2() const { return (1 + source * source / 4) / (radius * radius); }

  Residuals operator()(const NodeValues& at) const {
    const auto& [u, du, ddu, m, dm] = at.values;
    const double z = at.x;
    const double inverse_square = 1 / (radius * radius);
    const Complex phi = u * z;
    const Complex dphi = u + du * z;
    const Complex square = u * u;
    const Complex quartic = square * square * potential.quartic_part(phi) * 0.5;  // (V + 6 + φ²)/2z⁴
    const Complex k = m * z + c2();
    const Complex p = k * (z * z) + 1.0;
    const Complex scalar = p * ddu - u * k * 2.0 - square * u * potential.cubic_part(phi) -
                           dphi * (k * -3.0 + square * 0.5 - quartic * (z * z) + inverse_square);
    if (z == 0) return {scalar, dm};  // replaced by the condition at the horizon
    const double a = first_value();
    const Complex einstein =
        dm - (u * du * (2 * z) - square + a * a) * (0.25 / (z * z)) - du * du * 0.25 - quartic - k * dphi * dphi * 0.25;
    return {scalar, einstein};
  }
};

/// s = 1/(1 + r), φ = s u, f = 1 + r² + u²/4 + s m: regular at the boundary, s = 0, and at the centre, s = 1, whose
/// conditions, φ' = 0 and f = 1, the equations' own rows are there. Common powers of s are divided out here too.
struct SolitonEquations {
  Potential potential;
  double source;

  double first_value() const { return source; }

  Residuals operator()(const NodeValues& at) const {
    const auto& [u, du, ddu, m, dm] = at.values;
    const double s = at.x;
    const double t = 1 - s;
    const Complex phi = u * s;
    const Complex dphi = u + du * s;
    const Complex square = u * u;
    const Complex quartic = square * square * potential.quartic_part(phi) * 0.5;
    const Complex k = square * 0.25 + m * s + 1.0;
    const Complex d = k * (s * s) + t * t;             // s² f
    const Complex w = quartic * (2 * s * s) - square;  // (V + 6)/s²
    const Complex scalar = d * ddu * t + du * (k * (s * (4 * t - 1)) + w * (0.5 * s * t * t) + (-4 * t * t - s)) +
                           u * ((k + 1.0) * (2 * t - 1) + w * (0.5 * t * t)) -
                           square * u * potential.cubic_part(phi) * t;
    const Complex einstein = dm * t - m - square * ((1 + t) * (1 + t) / 4) + u * du * (t * (1 + t + t * t) / 2) -
                             du * du * (std::pow(t, 4) / 4) - quartic * (t * t) - k * dphi * dphi * (t * t / 4);
    return {scalar, einstein};
  }
};

/// u and m at the nodes, one after the other.
using Unknowns = Eigen::VectorXd;

template <class Equations>
class CollocationSystem {
 public:
  CollocationSystem(const Equations& equations, const ChebyshevGrid& grid) : equations_(equations), grid_(grid) {}

  /// Newton's method from where `unknowns` are; false if its steps do not shrink from the first one on. That is asked
  /// for because the system has spurious solutions, which a step that is too long may find.
  bool solve(Unknowns& unknowns) {
    double last = std::numeric_limits<double>::infinity();
    for (int step = 0; step < kMaxNewtonSteps; ++step) {
      assemble(unknowns);
      const Unknowns change = jacobian_.partialPivLu().solve(residuals_);
      if (!change.allFinite()) return false;
      unknowns -= change;
      const double size = change.template lpNorm<Eigen::Infinity>() / (1 + unknowns.template lpNorm<Eigen::Infinity>());
      const bool contracts = size < kContraction * last;
      if (size < kNewtonConverged || (size < kNewtonFloor && !contracts)) return true;
      if (!contracts) return false;
      last = size;
    }
    return false;
  }

 private:
  void assemble(const Unknowns& unknowns) {
    const Eigen::Index n = grid_.nodes.size();
    residuals_.resize(2 * n);
    jacobian_.resize(2 * n, 2 * n);
    const auto u = unknowns.head(n);
    const auto m = unknowns.tail(n);
    const Eigen::VectorXd du = grid_.first * u;
    const Eigen::VectorXd ddu = grid_.second * u;
    const Eigen::VectorXd dm = grid_.first * m;
    for (Eigen::Index i = 0; i < n; ++i) {
      NodeValues at{grid_.nodes[i], {u[i], du[i], ddu[i], m[i], dm[i]}};
      std::array<std::array<double, 5>, 2> derivatives{};
      for (std::size_t by = 0; by < at.values.size(); ++by) {
        at.values[by].imag(kComplexStep);
        const Residuals moved = equations_(at);
        at.values[by].imag(0);
        for (std::size_t which = 0; which < 2; ++which) derivatives[which][by] = moved[which].imag() / kComplexStep;
      }
      const Residuals rows = equations_(at);
      for (std::size_t which = 0; which < 2; ++which) {
        const Eigen::Index row = i + static_cast<Eigen::Index>(which) * n;
        residuals_[row] = rows[which].real();
        set_row(i, row, derivatives[which]);
      }
    }
    // The rows at the boundary, whose node is the last.
    set_condition(n - 1, n - 1, u[n - 1] - equations_.first_value());
    if constexpr (requires { equations_.c2(); }) set_condition(2 * n - 1, n, 1 + equations_.c2() + m[0]);
  }

  void set_row(Eigen::Index node, Eigen::Index row, const std::array<double, 5>& by) {
    const Eigen::Index n = grid_.nodes.size();
    jacobian_.row(row) << by[1] * grid_.first.row(node) + by[2] * grid_.second.row(node), by[4] * grid_.first.row(node);
    jacobian_(row, node) += by[0];
    jacobian_(row, n + node) += by[3];
  }

  void set_condition(Eigen::Index row, Eigen::Index column, double miss) {
    residuals_[row] = miss;
    jacobian_.row(row).setZero();
    jacobian_(row, column) = 1;
  }

  const Equations& equations_;
  const ChebyshevGrid& grid_;
  Eigen::VectorXd residuals_;
  Eigen::MatrixXd jacobian_;
};

/// The solution with the equations' source, followed from source 0, at which u = 0; `equations_of` makes those of a
/// source.
template <class MakeEquations>
Unknowns follow(const MakeEquations& equations_of, double source, const ChebyshevGrid& grid, double m_undeformed) {
  const Eigen::Index n = grid.nodes.size();
  Unknowns reached(2 * n);
  reached << Eigen::VectorXd::Zero(n), Eigen::VectorXd::Constant(n, m_undeformed);
  double at = 0;
  const double longest = std::min(1.0, kLongestStep / std::max(equations_of(source).first_value(), kLongestStep));
  double step = longest;
  while (at < 1) {
    Unknowns next = reached;
    const double to = std::min(1.0, at + step);
    const auto equations = equations_of(to * source);
    // Moved as a whole, u meets the new condition at the boundary, where the equations divide by what vanishes under
    // it.
    next.head(n).array() += equations.first_value() - next[n - 1];
    if (CollocationSystem(equations, grid).solve(next)) {
      reached = std::move(next);
      at = to;
      step = std::min(2 * step, longest);
      continue;
    }
    step = (to - at) / 2;
    if (step < kSmallestStep) {
      fail<NoSolution>("Newton's method on the collocation system of degree {} does not converge beyond source {:.6g}",
                       n - 1, at * source);
    }
  }
  return reached;
}

void check(double source, int degree) {
  if (!(source >= 0) || !std::isfinite(source)) fail<InvalidInput>("the source is {}, but must be at least 0", source);
  if (degree < kMinDegree) fail<InvalidInput>("the degree is {}, but must be at least {}", degree, kMinDegree);
}

/// `field` at the centre or the horizon, if a solution that is connected to φ = 0 can have it.
double plausible(const Potential& potential, double field, double source) {
  if (field >= -kAgreement && field < potential.attractor()) return field;
  fail<NoSolution>("collocation found a spurious solution of source {} with {} in its interior", source, field);
}

bool agree(double a, double b) { return std::abs(a - b) <= kAgreement * (1 + std::abs(b)); }

bool agree(const Soliton& a, const Soliton& b) {
  return agree(a.centre, b.centre) && agree(a.response, b.response) && agree(a.energy, b.energy) &&
         agree(a.length, b.length) && agree(a.chi_centre, b.chi_centre);
}

bool agree(const BlackHole& a, const BlackHole& b) {
  return agree(a.horizon, b.horizon) && agree(a.response, b.response) && agree(a.energy, b.energy) &&
         agree(a.temperature, b.temperature);
}

template <class Solution>
Solution converged(const std::function<Solution(int)>& solve) {
  Solution last;
  bool solved = false;
  std::string why;
  for (const int degree : kDegrees) {
    // Few polynomials may have no solution where more have.
    try {
      const Solution next = solve(degree);
      if (solved && agree(last, next)) return next;
      last = next;
      solved = true;
      why = fmt::format("degree {} and the one before differ by more than {}", degree, kAgreement);
    } catch (const NoSolution& error) {
      solved = false;
      why = error.what();
    }
  }
  fail<NoSolution>("collocation does not converge: {}", why);
}

}  // namespace

Soliton collocate_soliton(const Potential& potential, double source, int degree) {
  check(source, degree);
  const ChebyshevGrid grid(degree);
  const auto equations_of = [&](double a) { return SolitonEquations{potential, a}; };
  const Unknowns solution = follow(equations_of, source, grid, 0);
  const Eigen::Index n = grid.nodes.size();
  const Eigen::ArrayXd s = grid.nodes.array();
  const Eigen::ArrayXd t = 1 - s;
  const Eigen::ArrayXd u = solution.head(n).array();
  const Eigen::ArrayXd m = solution.tail(n).array();
  const Eigen::ArrayXd du = (grid.first * solution.head(n)).array();
  const Eigen::ArrayXd k = 1 + u.square() / 4 + s * m;
  const Eigen::ArrayXd root = (t.square() + s.square() * k).sqrt();
  // 1/r = s + s² + …, so that φ = s u has β = u' − α and f has b = m + α u'/2.
  const double response = du[n - 1] - source;
  return {.centre = plausible(potential, u[0], source),
          .source = source,
          .response = response,
          .energy = -(m[n - 1] + source * source / 2) / 2,
          .chi_centre = grid.integral * (t * s * (u + s * du).square() / 2).matrix(),
          .length = -grid.integral * (k / (root * (t + root))).matrix()};
}

BlackHole collocate_black_hole(const Potential& potential, double radius, double source, int degree) {
  if (!(radius > 0) || !std::isfinite(radius))
    fail<InvalidInput>("the horizon's radius is {}, but must be above 0", radius);
  check(source, degree);
  const ChebyshevGrid grid(degree);
  const auto equations_of = [&](double a) { return BlackHoleEquations{potential, radius, a}; };
  const Unknowns solution = follow(equations_of, source, grid, -1 - 1 / (radius * radius));
  const Eigen::Index n = grid.nodes.size();
  const Eigen::ArrayXd z = grid.nodes.array();
  const Eigen::ArrayXd u = solution.head(n).array();
  const Eigen::ArrayXd du = (grid.first * solution.head(n)).array();
  const double response = radius * radius * du[n - 1];
  const double b = std::pow(radius, 3) * solution[2 * n - 1];
  const double chi = grid.integral * (z * (u + z * du).square() / 2).matrix();
  const double df = (1 - radius * radius * potential.value(u[0]) / 2) / radius;
  return {.radius = radius,
          .horizon = plausible(potential, u[0], source),
          .source = source,
          .response = response,
          .energy = (-b + source * response / 2) / 2,
          .chi_horizon = chi,
          .temperature = df * std::exp(-chi / 2) / (4 * std::numbers::pi)};
}

Soliton collocate_soliton(const Potential& potential, double source) {
  return converged<Soliton>([&](int degree) { return collocate_soliton(potential, source, degree); });
}

BlackHole collocate_black_hole(const Potential& potential, double radius, double source) {
  return converged<BlackHole>([&](int degree) { return collocate_black_hole(potential, radius, source, degree); });
}

}  // namespace incomplete_rg
