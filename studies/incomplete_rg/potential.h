// The potentials of the study, each with its leading terms split off, V = −6 − φ² + φ⁴ w(φ): what is left can be
// divided by the powers of 1/r that cancel at the boundary, where φ vanishes as 1/r.
#pragma once

#include <array>
#include <cmath>
#include <complex>
#include <limits>
#include <string_view>

namespace incomplete_rg {

enum class PotentialKind { quad, cosh, quart };

inline constexpr std::array kPotentials{PotentialKind::quad, PotentialKind::cosh, PotentialKind::quart};

class Potential {
 public:
  constexpr explicit Potential(PotentialKind kind) : kind_(kind) {}

  /// "quad" −6 − φ², "cosh" −2(2 + cosh φ) or "quart" −6 − φ² + φ⁴/4; InvalidInput for any other.
  static Potential named(std::string_view name);
  std::string_view name() const;

  /// w(φ) = (V + 6 + φ²)/φ⁴, analytic at 0. Real is double or std::complex<double>.
  template <class Real>
  Real quartic_part(const Real& phi) const;

  /// (V_φ + 2φ)/φ³.
  template <class Real>
  Real cubic_part(const Real& phi) const;

  double value(double phi) const { return -6 + excess(phi); }
  /// V + 6, without its cancellation at small φ.
  double excess(double phi) const { return phi * phi * (phi * phi * quartic_part(phi) - 1); }
  /// V_φ.
  double slope(double phi) const { return phi * (phi * phi * cubic_part(phi) - 2); }
  /// V_φφ.
  double curvature(double phi) const;

  /// The flow's end in a larger theory: V_φ vanishes there and no flow from φ = 0 passes it. √2 for quart, else
  /// infinity.
  double attractor() const;
  /// How far solutions of a given source are looked for, in the field, or with an attractor φ* in −ln(1 − φ/φ*). Beyond
  /// it double precision no longer resolves them.
  double search_limit() const;

 private:
  template <class Real>
  static Real cosh_part(const Real& phi, int first_factorial);

  PotentialKind kind_;
};

namespace internal {
inline double plain(double x) { return x; }
inline double plain(const std::complex<double>& x) { return x.real(); }
}  // namespace internal

/// −2 Σ φ^{2k} / (2k + first)!: the series of the cosh potential's parts, by Horner's rule; exact to rounding for |φ|
/// < 1.
template <class Real>
Real Potential::cosh_part(const Real& phi, int first_factorial) {
  constexpr int kTerms = 10;
  const Real square = phi * phi;
  Real sum = square * 0.0 + 1.0;
  for (int k = kTerms; k > 0; --k) {
    const double n = first_factorial + 2.0 * k;
    sum = Real(square * sum) / (n * (n - 1)) + 1.0;
  }
  return Real(sum * (-2.0 / std::tgamma(first_factorial + 1.0)));
}

template <class Real>
Real Potential::quartic_part(const Real& phi) const {
  using std::cosh;
  if (kind_ == PotentialKind::quad) return Real(phi * 0.0);
  if (kind_ == PotentialKind::quart) return Real(phi * 0.0 + 0.25);
  if (std::abs(internal::plain(phi)) < 1) return cosh_part(phi, 4);
  const Real square = phi * phi;
  return Real((square + 2.0 - cosh(phi) * 2.0) / Real(square * square));
}

template <class Real>
Real Potential::cubic_part(const Real& phi) const {
  using std::sinh;
  if (kind_ == PotentialKind::quad) return Real(phi * 0.0);
  if (kind_ == PotentialKind::quart) return Real(phi * 0.0 + 1.0);
  if (std::abs(internal::plain(phi)) < 1) return cosh_part(phi, 3);
  return Real((phi * 2.0 - sinh(phi) * 2.0) / Real(phi * phi * phi));
}

}  // namespace incomplete_rg
