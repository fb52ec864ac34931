#include "potential.h"

#include <cmath>

#include "error.h"
#include "test_support.h"

namespace incomplete_rg {
namespace {

double formula(PotentialKind kind, double phi) {
  switch (kind) {
    case PotentialKind::quad: return -6 - phi * phi;
    case PotentialKind::cosh: return -2 * (2 + std::cosh(phi));
    case PotentialKind::quart: return -6 - phi * phi + std::pow(phi, 4) / 4;
  }
  return 0;
}

TEST(Potential, IsItsFormulaOnBothSidesOfTheSeries) {
  for (const PotentialKind kind : kPotentials) {
    const Potential potential(kind);
    const auto value = [&](double phi) { return formula(kind, phi); };
    for (const double phi : {0.0, 1e-3, 0.3, 0.999999, 1.000001, 1.4, 3.0}) {
      EXPECT_NEAR(potential.value(phi), value(phi), 1e-14 * std::abs(value(phi)));
      EXPECT_NEAR(potential.excess(phi), value(phi) + 6, 1e-14 * std::abs(value(phi)));
      EXPECT_NEAR(potential.slope(phi), derivative(value, phi), 1e-10) << potential.name() << phi;
      EXPECT_NEAR(potential.curvature(phi), derivative([&](double x) { return potential.slope(x); }, phi), 1e-10);
    }
  }
}

TEST(Potential, HasItsExtremumWhereItEndsFlows) {
  const Potential quart(PotentialKind::quart);
  EXPECT_NEAR(quart.slope(quart.attractor()), 0, 1e-14);
  EXPECT_TRUE(std::isinf(Potential(PotentialKind::cosh).attractor()));
}

TEST(Potential, KnowsItsNames) {
  for (const PotentialKind kind : kPotentials) {
    EXPECT_EQ(Potential::named(Potential(kind).name()).name(), Potential(kind).name());
  }
  EXPECT_THROW(Potential::named("cosine"), InvalidInput);
}

}  // namespace
}  // namespace incomplete_rg
