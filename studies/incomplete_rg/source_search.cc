#include "source_search.h"

#include <algorithm>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>

#include "error.h"

namespace incomplete_rg {

namespace {

constexpr double kFirstField = 0.25;
constexpr double kGrowth = 1.25;
constexpr int kPrecisionBits = 51;
constexpr std::uintmax_t kMaxIterations = 100;

}  // namespace

double field_of_source(const Potential& potential, double source, const std::function<double(double)>& source_of,
                       std::string_view what) {
  if (!(source >= 0) || !std::isfinite(source)) {
    fail<InvalidInput>("the source is {}, but must be at least 0 (φ → −φ makes the solution of −α from that of α)",
                       source);
  }
  if (source == 0) return 0;
  // An attractor is approached as 1 − e^{−s}, so that its neighbourhood is walked in steps as even as any other.
  const auto field_at = [&](double s) {
    return std::isfinite(potential.attractor()) ? -potential.attractor() * std::expm1(-s) : s;
  };
  double below = 0;
  double miss_below = -source;
  double largest = 0;
  // NOLINTNEXTLINE(bugprone-float-loop-counter): a geometric search
  for (double above = kFirstField; above <= potential.search_limit(); above *= kGrowth) {
    const double reached = source_of(field_at(above));
    const double miss = reached - source;
    if (miss >= 0) {
      const auto miss_at = [&](double s) { return source_of(field_at(s)) - source; };
      std::uintmax_t iterations = kMaxIterations;
      const auto [low, high] =
          boost::math::tools::toms748_solve(miss_at, below, above, miss_below, miss,
                                            boost::math::tools::eps_tolerance<double>(kPrecisionBits), iterations);
      if (iterations >= kMaxIterations)
        fail<NoSolution>("no {} found with source {}: the search did not converge", what, source);
      return field_at(low + (high - low) / 2);
    }
    below = above;
    miss_below = miss;
    largest = std::max(largest, reached);
  }
  fail<NoSolution>(
      "no {} with source {} in the potential {}: sources up to {:.6g} can be reached, at a field of {:.8g}", what,
      source, potential.name(), largest, field_at(below));
}

}  // namespace incomplete_rg
