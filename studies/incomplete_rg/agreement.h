// The independent check: what shooting found is computed again by collocation.
#pragma once

#include "hawking_page.h"
#include "potential.h"
#include "solution.h"

namespace incomplete_rg {

/// The largest difference |a − b|/max(1, |b|) between a solution's numbers and those that collocation finds at its
/// source (and radius). NoSolution if collocation does not converge or the difference is above 1e-7.
double check_by_collocation(const Potential& potential, const Soliton& soliton);
double check_by_collocation(const Potential& potential, const BlackHole& black_hole);
/// Both, and the free energies, which must be the same.
double check_by_collocation(const Potential& potential, const Transition& transition);

}  // namespace incomplete_rg
