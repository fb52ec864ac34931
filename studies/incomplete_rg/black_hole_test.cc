#include <boost/math/tools/minima.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <string_view>
#include <utility>
#include <vector>

#include "agreement.h"
#include "chebyshev.h"
#include "collocation.h"
#include "error.h"
#include "shooting.h"
#include "test_support.h"

namespace incomplete_rg {
namespace {

constexpr double kPi = std::numbers::pi;

TEST(ChebyshevGrid, IsExactForPolynomials) {
  const ChebyshevGrid grid(12);
  const Eigen::VectorXd values = grid.nodes.array().pow(11).matrix();
  EXPECT_LE((grid.first * values - (11 * grid.nodes.array().pow(10)).matrix()).lpNorm<Eigen::Infinity>(), 1e-11);
  EXPECT_LE((grid.second * values - (110 * grid.nodes.array().pow(9)).matrix()).lpNorm<Eigen::Infinity>(), 1e-9);
  EXPECT_NEAR((grid.integral * values)(0), 1.0 / 12, 1e-15);
}

TEST(BlackHole, WithoutFieldIsSchwarzschild) {
  for (const PotentialKind kind : kPotentials) {
    const Potential potential(kind);
    for (const double radius : {0.1, 0.5, 1.0, 2.0, 7.0}) {
      for (const BlackHole& hole :
           {black_hole_of_source(potential, radius, 0), collocate_black_hole(potential, radius, 0)}) {
        EXPECT_NEAR(hole.temperature, (1 + 3 * radius * radius) / (4 * kPi * radius), 1e-12);
        EXPECT_NEAR(hole.energy, radius * (1 + radius * radius) / 2, 1e-11 * (1 + std::pow(radius, 3)));
        EXPECT_EQ(hole.entropy(), kPi * radius * radius);
      }
    }
  }
}

TEST(BlackHole, WithoutFieldHasItsLowestTemperature) {
  const auto temperature = [](double radius) {
    return black_hole_of_source(Potential(PotentialKind::quad), radius, 0).temperature;
  };
  const auto [radius, lowest] = boost::math::tools::brent_find_minima(temperature, 0.2, 1.0, 40);
  EXPECT_NEAR(lowest, std::sqrt(3) / (2 * kPi), 1e-12);
  EXPECT_NEAR(radius, 1 / std::sqrt(3), 1e-6);
}

TEST(BlackHole, RespondsLinearlyToASmallSource) {
  for (const auto& [radius, ratio] :
       {std::pair{0.5, -0.603418}, std::pair{1.0, -0.655541}, std::pair{2.0, -0.923713}, std::pair{5.0, -1.998814}}) {
    for (const PotentialKind kind : kPotentials) {
      const Potential potential(kind);
      EXPECT_NEAR(black_hole_of_source(potential, radius, 1e-4).response / 1e-4, ratio, 1e-6);
      EXPECT_NEAR(collocate_black_hole(potential, radius, 1e-4).response / 1e-4, ratio, 1e-6);
    }
  }
}

TEST(BlackHole, HasKnownNumbersByBothMethods) {
  const Potential cosh(PotentialKind::cosh);
  const BlackHole collocated = collocate_black_hole(cosh, 0.981015, 1);
  EXPECT_NEAR(collocated.temperature, 0.31910486071, 1e-9);
  EXPECT_NEAR(collocated.free_energy(), 0.07826880801, 1e-9);
  EXPECT_NEAR(collocated.energy, 1.04306279499, 1e-9);
  EXPECT_NEAR(collocated.response, -0.63590751227, 1e-9);
  EXPECT_NEAR(collocated.horizon, 0.547389052, 1e-9);
  const BlackHole shot = black_hole_of_source(cosh, 0.981015, 1);
  EXPECT_NEAR(shot.temperature, 0.31910486071, 1e-7);
  EXPECT_NEAR(shot.free_energy(), 0.07826880801, 1e-7);
  EXPECT_NEAR(shot.energy, 1.04306279499, 1e-7);
  EXPECT_NEAR(shot.response, -0.63590751227, 1e-7);
  EXPECT_NEAR(shot.horizon, 0.547389052, 1e-7);
}

TEST(BlackHole, CollocationConvergesExponentially) {
  const Potential cosh(PotentialKind::cosh);
  const BlackHole exact = collocate_black_hole(cosh, 0.981015, 1, 48);
  double last = 1;
  for (const int degree : {8, 12, 16, 20}) {
    const double error = std::abs(collocate_black_hole(cosh, 0.981015, 1, degree).response - exact.response);
    EXPECT_LT(error, last / 100);
    last = error;
  }
  EXPECT_LT(last, 1e-10);
}

TEST(BlackHole, BothMethodsAgreeOnRandomOnes) {
  Draws draws;
  for (int i = 0; i < 30; ++i) {
    const Potential potential = draws.potential();
    const double radius = draws.between(0.3, 4);
    const double source = draws.between(0.05, 4);
    const BlackHole hole = black_hole_of_source(potential, radius, source);
    EXPECT_NEAR(hole.source, source, 1e-10);
    EXPECT_LE(check_by_collocation(potential, hole), 1e-9) << potential.name() << " " << radius << " " << source;
  }
}

TEST(BlackHole, ObeysTheFirstLaws) {
  // dE = T dS − (β/4) dα and dF = −S dT − (β/4) dα, along the radius and along the source.
  Draws draws;
  for (int i = 0; i < 24; ++i) {
    const Potential potential = draws.potential();
    const double radius = draws.between(0.3, 2);
    const double source = draws.between(0.1, 3);
    SCOPED_TRACE(testing::Message() << potential.name() << " " << radius << " " << source);
    const BlackHole hole = black_hole_of_source(potential, radius, source);
    const auto along_radius = [&](double (*of)(const BlackHole&)) {
      return derivative([&](double r) { return of(black_hole_of_source(potential, r, source)); }, radius);
    };
    const auto along_source = [&](double (*of)(const BlackHole&)) {
      return derivative([&](double a) { return of(black_hole_of_source(potential, radius, a)); }, source);
    };
    const auto energy = [](const BlackHole& at) { return at.energy; };
    const auto entropy = [](const BlackHole& at) { return at.entropy(); };
    const auto temperature = [](const BlackHole& at) { return at.temperature; };
    const auto free_energy = [](const BlackHole& at) { return at.free_energy(); };
    EXPECT_NEAR(along_radius(energy), hole.temperature * along_radius(entropy), 1e-6);
    EXPECT_NEAR(along_source(energy), -hole.response / 4, 1e-6);
    EXPECT_NEAR(along_radius(free_energy), -hole.entropy() * along_radius(temperature), 1e-6);
    EXPECT_NEAR(along_source(free_energy), -hole.entropy() * along_source(temperature) - hole.response / 4, 1e-6);
  }
}

TEST(BlackHole, ProfileRunsFromHorizonToBoundary) {
  Profile profile;
  const BlackHole hole = shoot_black_hole(Potential(PotentialKind::cosh), 0.8, 1, &profile);
  EXPECT_NEAR(profile.front().r, hole.radius, 1e-4);
  EXPECT_NEAR(profile.front().f, 0, 1e-3);
  EXPECT_NEAR(profile.front().chi, hole.chi_horizon, 1e-4);
  EXPECT_GT(profile.back().r, 10);
  for (std::size_t i = 1; i < profile.size(); ++i) {
    EXPECT_LT(profile[i].phi, profile[i - 1].phi);
    EXPECT_LE(profile[i].chi, profile[i - 1].chi);
  }
}

TEST(BlackHole, RefusesWhatDoesNotExist) {
  const Potential quart(PotentialKind::quart);
  for (const double radius : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(black_hole_of_source(quart, radius, 1), InvalidInput);
    EXPECT_THROW(collocate_black_hole(quart, radius, 1), InvalidInput);
  }
  EXPECT_THROW(black_hole_of_source(quart, 1, -1), InvalidInput);
  EXPECT_THROW(black_hole_of_source(quart, 1, std::nan("")), InvalidInput);
  EXPECT_THROW(black_hole_of_source(quart, 1, 1e12), NoSolution);
  EXPECT_THROW(shoot_black_hole(quart, 1, 1.5), InvalidInput);
}

TEST(BlackHole, ThatCollocationCannotResolveIsAnError) {
  EXPECT_THROW(collocate_black_hole(Potential(PotentialKind::quad), 1, 1e4, 16), NoSolution);
  // With so few polynomials the system has solutions beyond the attractor.
  EXPECT_THROW(collocate_black_hole(Potential(PotentialKind::quart), 0.9376, 8, 24), NoSolution);
}

}  // namespace
}  // namespace incomplete_rg
