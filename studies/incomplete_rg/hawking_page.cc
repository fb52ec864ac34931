#include "hawking_page.h"

#include <boost/math/tools/toms748_solve.hpp>

#include "error.h"
#include "shooting.h"

namespace incomplete_rg {

namespace {

/// Undeformed, the transition is at 1, and it has been found at smaller radii for every source.
constexpr double kLargestRadius = 1.25;
constexpr double kSmallestRadius = 1e-2;
constexpr double kShrink = 0.8;
constexpr int kPrecisionBits = 48;
constexpr std::uintmax_t kMaxIterations = 100;
/// Of an energy: what shooting leaves uncertain, found by comparison with collocation. Energies grow as α³, what they
/// differ by does not.
constexpr double kEnergyError = 3e-12;
/// Of the temperature.
constexpr double kMaxError = 1e-6;

}  // namespace

Transition hawking_page(const Potential& potential, double source) {
  const Soliton soliton = soliton_of_source(potential, source);
  const auto excess_at = [&](double radius) {
    return black_hole_of_source(potential, radius, source).free_energy() - soliton.energy;
  };
  double above = kLargestRadius;
  double excess_above = excess_at(above);
  // NOLINTNEXTLINE(bugprone-float-loop-counter): a geometric search
  for (double below = above * kShrink; excess_above < 0 && below > kSmallestRadius; below *= kShrink) {
    const double excess = excess_at(below);
    if (excess >= 0) {
      std::uintmax_t iterations = kMaxIterations;
      const auto [low, high] =
          boost::math::tools::toms748_solve(excess_at, below, above, excess, excess_above,
                                            boost::math::tools::eps_tolerance<double>(kPrecisionBits), iterations);
      if (iterations >= kMaxIterations) break;
      const BlackHole found = black_hole_of_source(potential, low + (high - low) / 2, source);
      if (kEnergyError * soliton.energy / found.entropy() > kMaxError) break;
      return {soliton, found};
    }
    above = below;
    excess_above = excess;
  }
  fail<NoSolution>(
      "no transition found with source {} in the potential {}: among black holes of radius {} to {} none has the "
      "soliton's free energy, {:.6g}, to the digits that a temperature to {} needs",
      source, potential.name(), kSmallestRadius, kLargestRadius, soliton.energy, kMaxError);
}

}  // namespace incomplete_rg
