// Solutions by Chebyshev collocation: both boundary conditions at once, Newton's method on the values at all nodes.
// Shares nothing with shooting but the potentials; the variables are others too.
#pragma once

#include "potential.h"
#include "solution.h"

namespace incomplete_rg {

inline constexpr int kMinDegree = 8;

/// With polynomials of a fixed degree ≥ kMinDegree, as accurate as these are. NoSolution if Newton's method does not
/// converge.
Soliton collocate_soliton(const Potential& potential, double source, int degree);
BlackHole collocate_black_hole(const Potential& potential, double radius, double source, int degree);

/// With degrees that grow until field, response, energy (and length or temperature) of two agree to 1e-10; NoSolution
/// if they do not up to degree 192.
Soliton collocate_soliton(const Potential& potential, double source);
BlackHole collocate_black_hole(const Potential& potential, double radius, double source);

}  // namespace incomplete_rg
