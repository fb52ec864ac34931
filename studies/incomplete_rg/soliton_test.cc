#include <boost/math/quadrature/exp_sinh.hpp>
#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>

#include "agreement.h"
#include "collocation.h"
#include "error.h"
#include "shooting.h"
#include "test_support.h"

namespace incomplete_rg {
namespace {

struct Known {
  std::string_view potential;
  double centre, source, response, energy, length;
};

const std::vector<Known> kKnown{{"quad", 0.5, 0.809310, -0.567117, 0.054785, -1.031300},
                                {"quad", 1, 1.770611, -1.603799, 0.305066, -1.134773},
                                {"cosh", 1, 1.482717, -0.874647, 0.168573, -1.111973},
                                {"cosh", 2, 2.576315, -1.262036, 0.468450, -1.359805},
                                {"quart", 1, 3.782503, -11.610758, 3.782329, -1.294003}};

TEST(Soliton, HasKnownNumbersByBothMethods) {
  for (const Known& known : kKnown) {
    const Potential potential = Potential::named(known.potential);
    const Soliton shot = shoot_soliton(potential, known.centre);
    for (const Soliton& soliton : {shot, collocate_soliton(potential, shot.source)}) {
      SCOPED_TRACE(known.potential);
      EXPECT_NEAR(soliton.centre, known.centre, 1e-10);
      EXPECT_NEAR(soliton.source, known.source, 1e-6);
      EXPECT_NEAR(soliton.response, known.response, 1e-6);
      EXPECT_NEAR(soliton.energy, known.energy, 1e-6);
      EXPECT_NEAR(soliton.length, known.length, 1e-6);
    }
  }
}

TEST(Soliton, WithoutFieldIsAdS) {
  const Soliton soliton = shoot_soliton(Potential(PotentialKind::cosh), 0);
  EXPECT_EQ(soliton.source, 0);
  EXPECT_EQ(soliton.energy, 0);
  EXPECT_NEAR(soliton.length, -1, 1e-12);
}

TEST(Soliton, ToFirstOrderIsTheArcTangent) {
  // φ = φ₀ arctan(r)/r.
  for (const PotentialKind kind : kPotentials) {
    const Soliton soliton = shoot_soliton(Potential(kind), 1e-5);
    EXPECT_NEAR(soliton.response / soliton.source, -2 / std::numbers::pi, 1e-8);
    EXPECT_NEAR(soliton.source / soliton.centre, std::numbers::pi / 2, 1e-8);
  }
}

TEST(Soliton, LengthToSecondOrderIsAnIntegralOfTheArcTangent) {
  // (r g)' = r²φ²/2 − r²(1 + r²)φ'²/4 for f = 1 + r² + g, and I + 1 = −½ ∫ r g/(1 + r²)^{3/2} dr, integrated by parts.
  const auto integrand = [](double r) {
    const double phi = std::atan(r) / r;
    const double dphi = (1 / (1 + r * r) - phi) / r;
    const double root = std::sqrt(1 + r * r);
    return r * r * (phi * phi / 2 - (1 + r * r) * dphi * dphi / 4) / (root * (root + r));
  };
  const double expected = -boost::math::quadrature::exp_sinh<double>().integrate(integrand) / 2;
  const double centre = 1e-3;
  const Soliton soliton = shoot_soliton(Potential(PotentialKind::quad), centre);
  EXPECT_NEAR((soliton.length + 1) / (centre * centre), expected, 1e-6);
}

TEST(Soliton, BothMethodsAgreeOnRandomOnes) {
  Draws draws;
  for (int i = 0; i < 24; ++i) {
    const Potential potential = draws.potential();
    const Soliton soliton = shoot_soliton(potential, draws.between(0.05, 1.3));
    EXPECT_LE(check_by_collocation(potential, soliton), 1e-9) << potential.name() << " " << soliton.centre;
    EXPECT_NEAR(soliton_of_source(potential, soliton.source).centre, soliton.centre, 1e-10);
  }
}

TEST(Soliton, ObeysTheFirstLaw) {
  // dE = −(β/4) dα, also far from the linear regime.
  Draws draws;
  for (int i = 0; i < 24; ++i) {
    const Potential potential = draws.potential();
    const double source = draws.between(0.1, 5);
    const auto energy = [&](double a) { return soliton_of_source(potential, a).energy; };
    const double response = soliton_of_source(potential, source).response;
    EXPECT_NEAR(derivative(energy, source), -response / 4, 1e-6) << potential.name() << " " << source;
  }
}

TEST(Soliton, CFunctionFallsTowardsTheCentre) {
  Draws draws;
  for (int i = 0; i < 30; ++i) {
    const Potential potential = draws.potential();
    const double centre = draws.between(0.01, potential.name() == "quart" ? 1.41 : 6);
    Profile profile;
    const Soliton soliton = shoot_soliton(potential, centre, &profile);
    ASSERT_GT(profile.size(), 32U);
    EXPECT_NEAR(profile.front().c_function, -6 / potential.value(centre), 1e-6);
    EXPECT_NEAR(profile.front().chi, soliton.chi_centre, 1e-6);
    for (std::size_t j = 1; j < profile.size(); ++j) {
      EXPECT_GE(profile[j].r, profile[j - 1].r);
      // To rounding: near the centre it is constant to the fourth power of r.
      EXPECT_GE(profile[j].c_function, profile[j - 1].c_function - 1e-14) << potential.name() << " " << centre;
      EXPECT_NEAR(profile[j].c_function, profile[j].r * profile[j].r / (profile[j].f - 1),
                  1e-12 * (1 + 1e-3 / (profile[j].r * profile[j].r)));
    }
    EXPECT_LE(profile.back().c_function, 1);
  }
}

TEST(Soliton, LargerSourcesGoDeeper) {
  for (const PotentialKind kind : kPotentials) {
    Soliton last;
    for (double source = 0.5; source <= 5; source += 0.5) {
      const Soliton soliton = soliton_of_source(Potential(kind), source);
      EXPECT_GT(soliton.centre, last.centre);
      EXPECT_LT(soliton.length, source == 0.5 ? -1 : last.length);
      EXPECT_GT(soliton.energy, last.energy);
      last = soliton;
    }
  }
}

TEST(Soliton, OfTheQuarticPotentialApproachesItsAttractor) {
  // As α^{3−Δ}, Δ(Δ − 3) = V_φφ L² = 4 · 6/7 being the operator's dimension in the attractor's AdS.
  const Potential quart(PotentialKind::quart);
  const auto gap = [&](double source) { return quart.attractor() - soliton_of_source(quart, source).centre; };
  const double dimension = 1.5 + std::sqrt(2.25 + 24.0 / 7);
  EXPECT_GT(gap(8000), 0);
  EXPECT_NEAR(std::log2(gap(8000) / gap(4000)), 3 - dimension, 1e-3);
}

TEST(Soliton, RefusesWhatDoesNotExist) {
  const Potential quart(PotentialKind::quart);
  const Potential cosh(PotentialKind::cosh);
  EXPECT_THROW(shoot_soliton(quart, 1.5), InvalidInput);
  EXPECT_THROW(shoot_soliton(quart, -0.1), InvalidInput);
  EXPECT_THROW(shoot_soliton(cosh, std::nan("")), InvalidInput);
  EXPECT_THROW(soliton_of_source(cosh, -1), InvalidInput);
  EXPECT_THROW(soliton_of_source(cosh, 1e3), NoSolution);
  EXPECT_THROW(soliton_of_source(quart, 1e12), NoSolution);
}

TEST(Soliton, ThatCollocationCannotResolveIsAnError) {
  EXPECT_THROW(collocate_soliton(Potential(PotentialKind::cosh), 8), NoSolution);
  EXPECT_THROW(collocate_soliton(Potential(PotentialKind::quad), 1, 4), InvalidInput);
  EXPECT_THROW(collocate_soliton(Potential(PotentialKind::quad), -1), InvalidInput);
}

}  // namespace
}  // namespace incomplete_rg
