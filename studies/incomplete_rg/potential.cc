#include "potential.h"

#include <numbers>

#include "error.h"

namespace incomplete_rg {

Potential Potential::named(std::string_view name) {
  for (const PotentialKind kind : kPotentials) {
    if (Potential(kind).name() == name) return Potential(kind);
  }
  fail<InvalidInput>("potential '{}' is unknown; there are quad, cosh and quart", name);
}

std::string_view Potential::name() const {
  switch (kind_) {
    case PotentialKind::quad: return "quad";
    case PotentialKind::cosh: return "cosh";
    case PotentialKind::quart: return "quart";
  }
  return "";
}

double Potential::curvature(double phi) const {
  switch (kind_) {
    case PotentialKind::quad: return -2;
    case PotentialKind::cosh: return -2 * std::cosh(phi);
    case PotentialKind::quart: return -2 + 3 * phi * phi;
  }
  return 0;
}

double Potential::attractor() const {
  return kind_ == PotentialKind::quart ? std::numbers::sqrt2 : std::numeric_limits<double>::infinity();
}

double Potential::search_limit() const {
  switch (kind_) {
    case PotentialKind::quad: return 10;
    case PotentialKind::cosh: return 60;
    case PotentialKind::quart: return 14;
  }
  return 0;
}

}  // namespace incomplete_rg
