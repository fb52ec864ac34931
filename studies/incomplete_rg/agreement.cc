#include "agreement.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "collocation.h"
#include "error.h"

namespace incomplete_rg {

namespace {

constexpr double kLargestDifference = 1e-7;

double checked(std::string_view what, double source, std::initializer_list<std::pair<double, double>> numbers) {
  double largest = 0;
  for (const auto& [a, b] : numbers) {
    const double difference = std::abs(a - b) / std::max(1.0, std::abs(b));
    if (!(difference <= kLargestDifference)) {
      fail<NoSolution>("the {} of source {}: shooting found {:.12g} where collocation found {:.12g}", what, source, a,
                       b);
    }
    largest = std::max(largest, difference);
  }
  return largest;
}

double compared(const Soliton& a, const Soliton& b) {
  return checked("soliton", a.source,
                 {{a.centre, b.centre},
                  {a.response, b.response},
                  {a.energy, b.energy},
                  {a.chi_centre, b.chi_centre},
                  {a.length, b.length}});
}

double compared(const BlackHole& a, const BlackHole& b) {
  return checked("black hole", a.source,
                 {{a.horizon, b.horizon},
                  {a.response, b.response},
                  {a.energy, b.energy},
                  {a.chi_horizon, b.chi_horizon},
                  {a.temperature, b.temperature}});
}

}  // namespace

double check_by_collocation(const Potential& potential, const Soliton& soliton) {
  return compared(soliton, collocate_soliton(potential, soliton.source));
}

double check_by_collocation(const Potential& potential, const BlackHole& black_hole) {
  return compared(black_hole, collocate_black_hole(potential, black_hole.radius, black_hole.source));
}

double check_by_collocation(const Potential& potential, const Transition& transition) {
  const double source = transition.soliton.source;
  const Soliton soliton = collocate_soliton(potential, source);
  const BlackHole black_hole = collocate_black_hole(potential, transition.black_hole.radius, source);
  return std::max({compared(transition.soliton, soliton), compared(transition.black_hole, black_hole),
                   checked("transition", source, {{black_hole.free_energy(), soliton.energy}})});
}

}  // namespace incomplete_rg
