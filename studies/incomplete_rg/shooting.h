// Solutions by integration from where they are regular, the centre or the horizon, out to the boundary.
#pragma once

#include <vector>

#include "potential.h"
#include "solution.h"

namespace incomplete_rg {

/// A place of a solution, for figures.
struct ProfilePoint {
  double r = 0;
  double phi = 0;
  double f = 0;
  double chi = 0;
  double c_function = 0;  ///< r²/(f − 1)
};
using Profile = std::vector<ProfilePoint>;

/// From φ(0) = `centre` (0 ≤ centre < the potential's attractor). `profile`, if given, receives every step from the
/// centre on. NoSolution if the integration does not reach the boundary.
Soliton shoot_soliton(const Potential& potential, double centre, Profile* profile = nullptr);

/// From φ(r_h) = `horizon` (0 ≤ horizon < the attractor) at r_h = `radius` > 0.
BlackHole shoot_black_hole(const Potential& potential, double radius, double horizon, Profile* profile = nullptr);

/// The solution that is connected to φ = 0 as the source grows from 0; NoSolution beyond the largest source that one
/// has.
Soliton soliton_of_source(const Potential& potential, double source);
BlackHole black_hole_of_source(const Potential& potential, double radius, double source);

}  // namespace incomplete_rg
