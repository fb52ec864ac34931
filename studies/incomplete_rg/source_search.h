// The field at the centre or the horizon that belongs to a source.
#pragma once

#include <functional>
#include <string_view>

#include "potential.h"

namespace incomplete_rg {

/// The smallest field whose solution, by `source_of`, has the source. InvalidInput for a source that is negative or not
/// finite (φ → −φ makes that of −α from that of α); NoSolution, with the largest source there is, beyond it. `what`
/// names the solution.
double field_of_source(const Potential& potential, double source, const std::function<double(double)>& source_of,
                       std::string_view what);

}  // namespace incomplete_rg
