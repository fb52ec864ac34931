// What is not finite, and what is extreme, in the selective scan; on every instruction set this machine has.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/selective_scan.h"
#include "kernels/simd/on_every_target.h"
#include "kernels/simd/scan_fixture.h"

namespace treble::internal {
namespace {

using test::kInfinity;
using test::kNaN;
using test::ScanFixture;
using test::ScanResult;

/// Row of the first number of `y` that is not finite; all rows behind the last one where there is none.
std::int64_t first_bad_row(const std::vector<float>& y, std::int64_t width) {
  const auto bad = std::find_if(y.begin(), y.end(), [](float value) { return !std::isfinite(value); });
  return (bad - y.begin()) / width;
}

TEST(SelectiveScan, WhatIsNotFiniteShowsFromItsTokenOn) {
  for (const float max_norm : {0.0F, 2.0F}) {
    for (const std::int64_t token : {0, 5, 70, 128}) {
      for (const float bad : {kNaN, kInfinity, -kInfinity}) {
        for (const char* where : {"x", "b", "c", "step"}) {
          ScanFixture fixture({.lengths = {129}, .state_size = 11, .max_norm = max_norm});
          const ScanInputs& in = fixture.inputs();
          const auto at = [&](const std::vector<float>& values, ConstMatrixView view) {
            return static_cast<std::size_t>(view.row(token) + view.cols / 2 - values.data());
          };
          if (where[0] == 's') {
            fixture.steps()[at(fixture.steps(), in.step)] = bad;
          } else {
            const ConstMatrixView view = where[0] == 'x' ? in.x : where[0] == 'b' ? in.b : in.c;
            fixture.values()[at(fixture.values(), view)] = bad;
          }
          SCOPED_TRACE(testing::Message() << bad << " in " << where << " of token " << token << ", norm " << max_norm);
          test::on_every_target([&] { EXPECT_EQ(first_bad_row(fixture.run().y, fixture.width()), token); });
        }
      }
    }
  }
}

TEST(SelectiveScan, StatesThatAreNotFiniteShow) {
  ScanFixture fixture({.lengths = {20, 1}, .state_size = 4});
  fixture.states()[3] = kNaN;
  fixture.states()[32 + 3] = -kInfinity;
  test::on_every_target([&] {
    const auto y = fixture.run().y;
    EXPECT_EQ(first_bad_row(y, fixture.width()), 0);
    EXPECT_FALSE(std::isfinite(y[static_cast<std::size_t>(20 * fixture.width()) + 3]));
  });
}

TEST(SelectiveScan, ExtremesStayFinite) {
  ScanFixture fixture({.lengths = {130, 2}, .num_heads = 2, .head_dim = 16, .state_size = 16});
  for (const float step : {0.0F, 1e-30F, 1e4F, 1e30F}) {
    // Only what is inserted is to be large.
    fixture.inputs().insert = step > 1 ? 1 / step : 1;
    std::fill(fixture.steps().begin(), fixture.steps().end(), step);
    const ScanResult wanted = fixture.run_reference();
    test::on_every_target([&] { fixture.expect_like(wanted); });
  }
  fixture.inputs().insert = 1;
  std::fill(fixture.steps().begin(), fixture.steps().end(), 0.01F);
  fixture.inputs().log_retain = -kInfinity;
  const ScanResult forgetful = fixture.run_reference();
  test::on_every_target([&] { fixture.expect_like(forgetful); });
}

TEST(SelectiveScan, NormsThatFloatCannotSquareAreLimited) {
  ScanFixture fixture({.lengths = {70}, .state_size = 4, .max_norm = 1.0F});
  for (const float size : {1e30F, 1e-25F}) {
    for (float& value : fixture.states()) value = size * (value > 0 ? 1.0F : -1.0F);
    fixture.max_norms()[0] = size;
    fixture.inputs().insert = size;
    const ScanResult wanted = fixture.run_reference();
    test::on_every_target([&] { fixture.expect_like(wanted); });
  }
}

}  // namespace
}  // namespace treble::internal
