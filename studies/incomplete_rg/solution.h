// What a static, spherically symmetric solution of S = (1/16πG) ∫ √−g [R − ½(∂φ)² − V] is described by, in units of the
// boundary sphere's radius and of G = 1 (so `energy` is G E, `entropy` is G S), L = 1:
//
//   ds² = −f e^{−χ} dt² + dr²/f + r² dΩ²,   φ = α/r + β/r² + …,   f = r² + 1 + α²/4 + b/r + …,   χ(∞) = 0.
#pragma once

#include <numbers>

namespace incomplete_rg {

/// Horizonless, regular at r = 0. Its free energy is its energy.
struct Soliton {
  double centre = 0;      ///< φ(0)
  double source = 0;      ///< α
  double response = 0;    ///< β; the condensate is proportional to it
  double energy = 0;      ///< (−b + αβ/2)/2
  double chi_centre = 0;  ///< χ(0): e^{−χ/2} is the redshift of the centre
  double length = 0;      ///< I = ∫ (r/√f − 1) dr; the hemisphere's entropy is (2π/4G)(R_cut + I)

  /// G times the hemisphere's entanglement entropy, less that of undeformed AdS, whose I is −1.
  double hemisphere_entropy() const { return std::numbers::pi / 2 * (length + 1); }
};

struct BlackHole {
  double radius = 0;   ///< r_h
  double horizon = 0;  ///< φ(r_h)
  double source = 0;
  double response = 0;
  double energy = 0;
  double chi_horizon = 0;
  double temperature = 0;  ///< f'(r_h) e^{−χ_h/2}/4π

  double entropy() const { return std::numbers::pi * radius * radius; }
  double free_energy() const { return energy - temperature * entropy(); }
};

}  // namespace incomplete_rg
