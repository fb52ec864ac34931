// The temperature at which soliton and black hole of the same source have the same free energy.
#pragma once

#include "potential.h"
#include "solution.h"

namespace incomplete_rg {

struct Transition {
  Soliton soliton;
  BlackHole black_hole;  ///< at its temperature; above it, black holes of this source have the lower free energy

  double temperature() const { return black_hole.temperature; }
  /// T S of the black hole, which the energies differ by.
  double latent_heat() const { return black_hole.energy - soliton.energy; }
};

/// NoSolution if no black hole of this source has the soliton's free energy.
Transition hawking_page(const Potential& potential, double source);

}  // namespace incomplete_rg
