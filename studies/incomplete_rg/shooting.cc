#include "shooting.h"

#include <array>
#include <boost/numeric/odeint/algebra/array_algebra.hpp>
#include <boost/numeric/odeint/integrate/integrate_adaptive.hpp>
#include <boost/numeric/odeint/stepper/controlled_runge_kutta.hpp>
#include <boost/numeric/odeint/stepper/runge_kutta_fehlberg78.hpp>
#include <cmath>

#include "error.h"
#include "source_search.h"

namespace incomplete_rg {

namespace {

namespace odeint = boost::numeric::odeint;

constexpr double kRelativeTolerance = 1e-13;
constexpr double kAbsoluteTolerance = 1e-14;
/// Fehlberg's 7(8) pair takes the error of a plain integral, as I is where φ vanishes, for zero: its steps are kept
/// short enough for those without an estimate.
constexpr double kFewestSteps = 32;
constexpr int kMaxSteps = 20000;
/// Of the natural scale: how far from centre and horizon their series are used. Their errors are of its fourth and
/// third power.
constexpr double kCentreStep = 3e-4;
constexpr double kHorizonStep = 3e-5;

/// An array that begins as zeros: odeint copies its steppers with what memory they hold, and GCC warns where that is
/// undefined.
template <class T, std::size_t N>
struct Zeroed : std::array<T, N> {
  Zeroed() : std::array<T, N>{} {}
  Zeroed(const std::array<T, N>& values) : std::array<T, N>(values) {}
};

/// {φ, φ', g, X, I} in r, then {u, u', q, X, I} in z = 1/r: X is ∫ r φ'²/2 dr and I the length, both from the start.
using Values = std::array<double, 5>;
using State = Zeroed<double, 5>;

/// With g = f − 1 − r², which stays finite at large r where f does not.
struct InnerEquations {
  Potential potential;

  void operator()(const Values& state, Values& change, double r) const {
    const auto [phi, dphi, g, chi, length] = state;
    const double excess = potential.excess(phi);
    const double f = 1 + g + r * r;
    change[0] = dphi;
    change[1] = potential.slope(phi) / f - dphi * (1 / r + 1 / (r * f) - r * (excess - 6) / (2 * f));
    change[2] = (-g - r * r * excess / 2 - r * r * f * dphi * dphi / 4) / r;
    change[3] = r * dphi * dphi / 2;
    change[4] = r / std::sqrt(f) - 1;
  }
};

/// In z = 1/r with φ = z u and g = u²/4 + z q: every negative power of z has cancelled, so z = 0 is an ordinary point,
/// where α = u, β = u' and b = q + αβ/2 are read off exactly.
struct OuterEquations {
  Potential potential;
  bool measures_length;

  void operator()(const Values& state, Values& change, double z) const {
    const auto [u, du, q, chi, length] = state;
    const double phi = z * u;
    const double dphi = u + z * du;
    const double k = 1 + u * u / 4 + z * q;
    const double lapse = 1 + z * z * k;  // f/r²
    const double quartic = u * u * u * u * potential.quartic_part(phi) / 2;
    change[0] = du;
    change[1] =
        (2 * u * k + u * u * u * potential.cubic_part(phi) + dphi * (1 - 3 * k + u * u / 2 - z * z * quartic)) / lapse;
    change[2] = du * du / 4 + quartic + k * dphi * dphi / 4;
    change[3] = -z * dphi * dphi / 2;
    change[4] = measures_length ? k / (std::sqrt(lapse) * (1 + std::sqrt(lapse))) : 0;
  }
};

template <class Equations, class Observer>
Values integrate(const Equations& equations, const Values& start, std::array<double, 2> span, double step,
                 Observer observe) {
  using Stepper = odeint::runge_kutta_fehlberg78<State, double, State, double, odeint::array_algebra>;
  using Tolerances = odeint::default_error_checker<double, odeint::array_algebra, odeint::default_operations>;
  using StepLimit = odeint::default_step_adjuster<double, double>;
  const odeint::controlled_runge_kutta<Stepper> stepper(Tolerances(kAbsoluteTolerance, kRelativeTolerance),
                                                        StepLimit((span[1] - span[0]) / kFewestSteps));
  State state(start);
  int steps = 0;
  const auto checked = [&](const State& at, double where) {
    for (const double value : at) {
      if (!std::isfinite(value)) fail<NoSolution>("the integration ran into a singularity");
    }
    if (++steps > kMaxSteps) fail<NoSolution>("the integration took more than {} steps", kMaxSteps);
    observe(at, where);
  };
  try {
    odeint::integrate_adaptive(stepper, equations, state, span[0], span[1], step, checked);
  } catch (const odeint::odeint_error&) {
    fail<NoSolution>("the integration's steps became too small");
  }
  return state;
}

/// Turns what was integrated, X from the start on, into χ, which vanishes at the boundary.
void normalise_chi(Profile& profile, double total) {
  for (ProfilePoint& point : profile) point.chi = total - point.chi;
}

struct Boundary {
  double source, response, energy, chi, length;
};

class Shot {
 public:
  Shot(const Potential& potential, Profile* profile) : potential_(potential), profile_(profile) {
    if (profile_ != nullptr) profile_->clear();
  }

  Values from_centre(const Values& state, double r) const {
    const auto keep = [&](const State& at, double where) {
      const double g = at[2];
      record(where, at[0], 1 + g + where * where, at[3], 1 / (1 + g / (where * where)));
    };
    return integrate(InnerEquations{potential_}, state, {r, 1.0}, r / 10, keep);
  }

  /// `state` as InnerEquations have it.
  Boundary to_boundary(const Values& state, double r, bool measures_length) const {
    const double z = 1 / r;
    const auto [phi, dphi, g, chi, length] = state;
    const double u = r * phi;
    const Values start{u, -r * r * (phi + r * dphi), (g - u * u / 4) * r, chi, length};
    const auto keep = [&](const State& at, double where) {
      const double weight = at[0] * at[0] / 4 + where * at[2];
      const double h = where * where * weight;
      if (1 + h + where * where <= 0) fail<NoSolution>("the integration met a horizon");
      if (where > 0) record(1 / where, where * at[0], (1 + h) / (where * where) + 1, at[3], 1 / (1 + h));
    };
    const double step = measures_length ? z / 100 : z * kHorizonStep / 10;
    const Values end = integrate(OuterEquations{potential_, measures_length}, start, {z, 0.0}, -step, keep);
    if (profile_ != nullptr) normalise_chi(*profile_, end[3]);
    // 0 − 0 and 0 + (−0) are 0: where there is no field, −0 would only be surprising.
    return {.source = end[0], .response = 0 + end[1], .energy = (0 - end[2]) / 2, .chi = end[3], .length = end[4]};
  }

 private:
  void record(double r, double phi, double f, double chi, double c_function) const {
    if (profile_ != nullptr) profile_->push_back({r, phi, f, chi, c_function});
  }

  Potential potential_;
  Profile* profile_;
};

}  // namespace

Soliton shoot_soliton(const Potential& potential, double centre, Profile* profile) {
  if (!(centre >= 0) || !(centre < potential.attractor()) || !std::isfinite(centre)) {
    fail<InvalidInput>("the field at the centre is {}, but must be at least 0{}", centre,
                       std::isfinite(potential.attractor())
                           ? fmt::format(" and below {:.6f}, where the potential {} ends the flow",
                                         potential.attractor(), potential.name())
                           : std::string());
  }
  const double r = kCentreStep / std::sqrt(-potential.value(centre) / 6);
  const double slope = potential.slope(centre);
  const double excess = potential.excess(centre);
  // φ = φ₀ + V_φ r²/6, f = 1 − V r²/6.
  const Values start{centre + slope * r * r / 6, slope * r / 3, -excess * r * r / 6, 0, -r + r * r / 2};
  const Shot shot(potential, profile);
  const Boundary end = shot.to_boundary(shot.from_centre(start, r), 1, true);
  return {.centre = centre,
          .source = end.source,
          .response = end.response,
          .energy = end.energy,
          .chi_centre = end.chi,
          .length = end.length};
}

BlackHole shoot_black_hole(const Potential& potential, double radius, double horizon, Profile* profile) {
  if (!(radius > 0) || !std::isfinite(radius))
    fail<InvalidInput>("the horizon's radius is {}, but must be above 0", radius);
  if (!(horizon >= 0) || !(horizon < potential.attractor()) || !std::isfinite(horizon)) {
    fail<InvalidInput>("the field at the horizon is {}, but must be at least 0 and below {}", horizon,
                       potential.attractor());
  }
  const double v = potential.value(horizon);
  const double dv = potential.slope(horizon);
  const double df = (1 - radius * radius * v / 2) / radius;
  const double dphi = dv / df;
  // Second derivatives from the equations' first ones at the horizon.
  const double ddphi =
      dphi * (potential.curvature(horizon) - df / radius + 1 / (radius * radius) + v / 2 + radius * dv * dphi / 2) /
      (2 * df);
  const double ddf =
      -(2 * df + radius * radius * df * dphi * dphi / 4 + radius * v + radius * radius * dv * dphi / 2) / radius;
  const double x = kHorizonStep * radius;
  const double r = radius + x;
  const double f = x * (df + ddf * x / 2);
  const double chi = x * dphi * (radius * dphi / 2 + x * (dphi / 2 + radius * ddphi) / 2);
  const Values start{horizon + x * (dphi + ddphi * x / 2), dphi + ddphi * x, f - 1 - r * r, chi, 0};
  const Boundary end = Shot(potential, profile).to_boundary(start, r, false);
  return {.radius = radius,
          .horizon = horizon,
          .source = end.source,
          .response = end.response,
          .energy = end.energy,
          .chi_horizon = end.chi,
          .temperature = df * std::exp(-end.chi / 2) / (4 * std::numbers::pi)};
}

Soliton soliton_of_source(const Potential& potential, double source) {
  const auto source_of = [&](double centre) { return shoot_soliton(potential, centre).source; };
  return shoot_soliton(potential, field_of_source(potential, source, source_of, "soliton"));
}

BlackHole black_hole_of_source(const Potential& potential, double radius, double source) {
  const auto source_of = [&](double horizon) { return shoot_black_hole(potential, radius, horizon).source; };
  return shoot_black_hole(potential, radius, field_of_source(potential, source, source_of, "black hole"));
}

}  // namespace incomplete_rg
