#include "hawking_page.h"

#include <numbers>
#include <string_view>
#include <vector>

#include "agreement.h"
#include "error.h"
#include "test_support.h"

namespace incomplete_rg {
namespace {

constexpr double kPi = std::numbers::pi;

struct Known {
  std::string_view potential;
  double source, pi_temperature, radius;
};

const std::vector<Known> kKnown{
    {"quad", 0.5, 1.000573, 0.995481}, {"quad", 1, 1.002102, 0.983045},   {"quad", 2, 1.006395, 0.944823},
    {"quad", 3, 1.010467, 0.902891},   {"cosh", 0.5, 1.000599, 0.995346}, {"cosh", 1, 1.002497, 0.981015},
    {"cosh", 2, 1.011918, 0.917619},   {"cosh", 3, 1.037865, 0.786946},   {"quart", 0.5, 1.000507, 0.995833},
    {"quart", 1, 1.001433, 0.986909},  {"quart", 2, 1.002626, 0.969950},  {"quart", 4, 1.002975, 0.951081}};

TEST(HawkingPage, WithoutSourceIsAtOneOverPi) {
  const Transition transition = hawking_page(Potential(PotentialKind::quart), 0);
  EXPECT_NEAR(transition.temperature(), 1 / kPi, 1e-12);
  EXPECT_NEAR(transition.black_hole.radius, 1, 1e-12);
}

TEST(HawkingPage, HasKnownNumbersByBothMethods) {
  for (const Known& known : kKnown) {
    SCOPED_TRACE(testing::Message() << known.potential << " " << known.source);
    const Potential potential = Potential::named(known.potential);
    const Transition transition = hawking_page(potential, known.source);
    EXPECT_NEAR(kPi * transition.temperature(), known.pi_temperature, 1e-6);
    EXPECT_NEAR(transition.black_hole.radius, known.radius, 1e-6);
    EXPECT_NEAR(transition.latent_heat(), transition.temperature() * transition.black_hole.entropy(), 1e-9);
    EXPECT_LE(check_by_collocation(potential, transition), 1e-9);
  }
}

TEST(HawkingPage, HeatsUpAndShrinksWithTheSource) {
  for (const PotentialKind kind : kPotentials) {
    const Potential potential(kind);
    double temperature = 1 / kPi;
    double radius = 1;
    for (double source = 0.5; source <= 6; source += 0.5) {
      const Transition transition = hawking_page(potential, source);
      EXPECT_GT(transition.temperature(), 1 / kPi);
      EXPECT_LT(transition.black_hole.radius, radius);
      if (kind != PotentialKind::quart) {
        EXPECT_GT(transition.temperature(), temperature);
      }
      temperature = transition.temperature();
      radius = transition.black_hole.radius;
    }
  }
}

TEST(HawkingPage, TurnsBackTowardsOneOverPi) {
  // A source that dominates leaves AdS of the attractor, where the transition is at 1/π again; quad turns too, much
  // later.
  const auto temperature = [](PotentialKind kind, double source) {
    return hawking_page(Potential(kind), source).temperature();
  };
  EXPECT_GT(temperature(PotentialKind::quart, 3.5), temperature(PotentialKind::quart, 3));
  EXPECT_GT(temperature(PotentialKind::quart, 3.5), temperature(PotentialKind::quart, 4));
  EXPECT_GT(temperature(PotentialKind::quart, 40), 1 / kPi);
  EXPECT_GT(temperature(PotentialKind::quad, 16), temperature(PotentialKind::quad, 14));
  EXPECT_GT(temperature(PotentialKind::quad, 16), temperature(PotentialKind::quad, 18));
}

TEST(HawkingPage, ThatCannotBeResolvedIsAnError) {
  EXPECT_THROW(hawking_page(Potential(PotentialKind::cosh), -1), InvalidInput);
  EXPECT_THROW(hawking_page(Potential(PotentialKind::cosh), 20), NoSolution);
  // Energies of 1e8, which differ by one: 1e-6 of the temperature would need 14 digits.
  EXPECT_THROW(hawking_page(Potential(PotentialKind::quart), 1000), NoSolution);
}

}  // namespace
}  // namespace incomplete_rg
