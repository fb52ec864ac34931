// The selective scan against its reference implementation, on every instruction set this machine has.
#include "kernels/selective_scan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <random>

#include "kernels/simd/on_every_target.h"
#include "kernels/simd/scan_fixture.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

using test::kInfinity;
using test::ScanCase;
using test::ScanFixture;
using test::ScanResult;

/// Lengths around chunks and tiles, sizes around vectors.
std::vector<ScanCase> odd_cases() {
  return {
      {.lengths = {1}, .head_dim = 1, .state_size = 1},
      {.lengths = {0, 1, 0, 2, 3}, .num_heads = 2, .head_dim = 5, .state_size = 3},
      {.lengths = {4, 5, 7, 8, 9}, .num_heads = 3, .num_groups = 3, .head_dim = 16, .state_size = 16},
      {.lengths = {63, 64, 65}, .num_heads = 2, .head_dim = 64, .state_size = 128},
      {.lengths = {193, 17}, .num_heads = 4, .num_groups = 2, .head_dim = 32, .state_size = 20},
      {.lengths = {128, 31, 33}, .num_heads = 2, .head_dim = 24, .state_size = 7, .with_d = false},
      {.lengths = {200}, .head_dim = 128, .state_size = 256, .with_states = false},
      {.lengths = {70, 1, 3}, .num_heads = 2, .head_dim = 33, .state_size = 9, .with_states = false},
      {.lengths = {150}, .num_heads = 6, .state_size = 32, .min_step = 1e-3F, .max_step = 5.0F},
      {.lengths = {150, 40}, .num_heads = 2, .head_dim = 64, .state_size = 64, .log_retain = -1e-4F, .insert = 0.75F},
      {.lengths = {130, 2}, .num_heads = 4, .head_dim = 48, .state_size = 16, .max_norm = 3.0F},
      {.lengths = {75}, .num_heads = 2, .head_dim = 5, .state_size = 5, .max_norm = 1.0F, .with_states = false},
  };
}

TEST(SelectiveScan, MatchesReferenceForOddSizes) {
  for (const ScanCase& c : odd_cases()) {
    SCOPED_TRACE(testing::PrintToString(c));
    const ScanFixture fixture(c);
    const ScanResult wanted = fixture.run_reference();
    test::on_every_target([&] { fixture.expect_like(wanted); });
  }
}

TEST(SelectiveScan, MatchesReferenceForRandomShapes) {
  std::mt19937 generator(22);
  const auto pick = [&](std::initializer_list<int> of) {
    return of.begin()[std::uniform_int_distribution<std::size_t>(0, of.size() - 1)(generator)];
  };
  for (unsigned seed = 0; seed < 24; ++seed) {
    ScanCase c;
    for (int sequence = pick({1, 2, 3}); sequence > 0; --sequence) {
      c.lengths.push_back(pick({0, 1, 2, 3, 4, 6, 15, 16, 31, 63, 64, 65, 90, 127, 129, 193}));
    }
    c.num_groups = pick({1, 1, 2, 3});
    c.num_heads = c.num_groups * pick({1, 2, 3});
    c.head_dim = pick({1, 4, 12, 16, 20, 32, 64, 65});
    c.state_size = pick({1, 3, 8, 12, 16, 30, 64, 130});
    c.max_step = pick({0, 1}) == 0 ? 0.1F : 5.0F;
    c.log_retain = pick({0, 0, 1}) == 0 ? 0.0F : -0.01F;
    c.insert = pick({0, 1}) == 0 ? 1.0F : 0.75F;
    c.max_norm = pick({0, 0, 2}) == 0 ? 0.0F : 2.0F;
    c.with_d = pick({0, 1}) == 0;
    c.with_states = pick({0, 1}) == 0;
    SCOPED_TRACE(testing::PrintToString(c));
    const ScanFixture fixture(c, seed);
    const ScanResult wanted = fixture.run_reference();
    test::on_every_target([&] { fixture.expect_like(wanted); });
  }
}

TEST(SelectiveScan, ChunksEqualTheRecurrence) {
  ScanFixture fixture({.lengths = {193, 40}, .num_heads = 3, .head_dim = 64, .state_size = 32, .max_step = 1.0F});
  test::on_every_target([&] {
    fixture.inputs().max_norms = {};
    const ScanResult chunked = fixture.run();
    const std::vector<float> never(3, 1e30F);
    fixture.inputs().max_norms = never;
    const ScanResult stepped = fixture.run();
    EXPECT_LE(ScanFixture::relative_difference(chunked.y, stepped.y), 1e-5);
    EXPECT_LE(ScanFixture::relative_difference(chunked.states, stepped.states), 1e-5);
    EXPECT_NE(chunked.y, stepped.y);
    const std::vector<float> no_limits(3, kInfinity);
    fixture.inputs().max_norms = no_limits;
    EXPECT_EQ(fixture.run(), chunked) << "an infinite norm is no limit";
  });
}

TEST(SelectiveScan, LargeStepsCostLaterOnesNoDigits) {
  // Sums of logarithms reach −2500, beside which those of the later steps are small.
  ScanFixture fixture({.lengths = {64}, .num_heads = 2, .head_dim = 16, .state_size = 16});
  for (std::size_t i = 0; i < 3 * 40; ++i) fixture.steps()[i] = 5;
  const ScanResult wanted = fixture.run_reference();
  test::on_every_target([&] { fixture.expect_like(wanted); });
}

TEST(SelectiveScan, SequencesDoNotDependOnTheBatchNorOnThreads) {
  for (const float max_norm : {0.0F, 2.0F}) {
    const ScanCase c = {.lengths = {130, 1, 64, 20, 3},
                        .num_heads = 6,
                        .num_groups = 2,
                        .head_dim = 20,
                        .state_size = 24,
                        .max_norm = max_norm};
    ScanFixture fixture(c);
    const ScanInputs all = fixture.inputs();
    const std::vector<float> all_states = fixture.states();
    test::on_every_target([&] {
      fixture.inputs() = all;
      fixture.states() = all_states;
      const ScanResult together = fixture.run();
      ThreadPool pool(3);
      EXPECT_EQ(fixture.run(test::TestExecution(&pool)), together);
      const auto values = static_cast<std::size_t>(all.state_values());
      for (std::size_t s = 0; s < c.lengths.size(); ++s) {
        const std::int64_t begin = all.offsets[s];
        const std::int64_t end = all.offsets[s + 1];
        std::vector<float> states(all_states.begin() + static_cast<std::ptrdiff_t>(s * values),
                                  all_states.begin() + static_cast<std::ptrdiff_t>((s + 1) * values));
        std::vector<float> y(static_cast<std::size_t>((end - begin) * fixture.width()));
        ScanInputs one = all;
        const std::vector<std::int64_t> offsets = {0, end - begin};
        one.offsets = offsets;
        one.x = all.x.row_range(begin, end);
        one.b = all.b.row_range(begin, end);
        one.c = all.c.row_range(begin, end);
        one.step = all.step.row_range(begin, end);
        selective_scan(test::TestExecution(&pool), one, states, MatrixView(y.data(), end - begin, fixture.width()));
        EXPECT_TRUE(std::equal(y.begin(), y.end(), together.y.begin() + begin * fixture.width()));
        EXPECT_TRUE(std::equal(states.begin(), states.end(),
                               together.states.begin() + static_cast<std::ptrdiff_t>(s * values)));
      }
    });
  }
}

TEST(SelectiveScan, CutAtChunksAndContinuedIsTheWhole) {
  for (const float max_norm : {0.0F, 1.5F}) {
    for (const std::int64_t head_dim : {16, 5}) {
      ScanFixture fixture(
          {.lengths = {195}, .num_heads = 2, .head_dim = head_dim, .state_size = 12, .max_norm = max_norm});
      const ScanInputs all = fixture.inputs();
      test::on_every_target([&] {
        fixture.inputs() = all;
        const ScanResult whole = fixture.run();
        std::vector<float> states = fixture.states();
        std::vector<float> y(whole.y.size());
        for (const auto& [begin, end] : {std::pair{0, 64}, std::pair{64, 192}, std::pair{192, 195}}) {
          ScanInputs part = all;
          const std::vector<std::int64_t> offsets = {0, end - begin};
          part.offsets = offsets;
          part.x = all.x.row_range(begin, end);
          part.b = all.b.row_range(begin, end);
          part.c = all.c.row_range(begin, end);
          part.step = all.step.row_range(begin, end);
          selective_scan(test::TestExecution(), part, states,
                         MatrixView(y.data() + begin * fixture.width(), end - begin, fixture.width()));
        }
        EXPECT_EQ(y, whole.y);
        EXPECT_EQ(states, whole.states);
      });
    }
  }
}

struct SeenState {
  std::int64_t sequence;
  std::int64_t head;
  std::int64_t tokens;
  std::vector<float> state;
  auto operator<=>(const SeenState&) const = default;
};

class RecordingObserver : public ScanObserver {
 public:
  void on_state(std::int64_t sequence, std::int64_t head, std::int64_t tokens, ConstMatrixView state) override {
    std::vector<float> values;
    for (std::int64_t row = 0; row < state.rows; ++row) {
      values.insert(values.end(), state.row(row), state.row(row) + state.cols);
    }
    const std::scoped_lock lock(mutex_);
    seen_.push_back({sequence, head, tokens, std::move(values)});
  }

  std::vector<SeenState> sorted() {
    std::sort(seen_.begin(), seen_.end());
    return seen_;
  }

 private:
  std::mutex mutex_;
  std::vector<SeenState> seen_;
};

TEST(SelectiveScan, StatesOfZeroAreNoStates) {
  // Without states the last three are not stepped through.
  for (const auto& [length, tolerance] : {std::pair{100, 0.0}, {4, 0.0}, {3, 1e-6}, {2, 1e-6}, {1, 1e-6}}) {
    ScanFixture fixture({.lengths = {length}, .num_heads = 2, .state_size = 12});
    std::fill(fixture.states().begin(), fixture.states().end(), 0.0F);
    test::on_every_target([&] {
      const ScanResult with = fixture.run();
      std::vector<float> y(with.y.size());
      const MatrixView view(y.data(), length, fixture.width());
      selective_scan(test::TestExecution(), fixture.inputs(), {}, view);
      EXPECT_LE(ScanFixture::relative_difference(y, with.y), tolerance) << length;
      std::vector<float> seen(y.size());
      RecordingObserver observer;
      selective_scan(test::TestExecution(), fixture.inputs(), {}, MatrixView(seen.data(), length, fixture.width()),
                     &observer);
      EXPECT_EQ(seen, y) << length;
      EXPECT_FALSE(observer.sorted().empty());
    });
  }
}

/// The states of `fixture` after `tokens` tokens of its only sequence.
std::vector<float> states_after(ScanFixture& fixture, std::int64_t tokens) {
  ScanInputs part = fixture.inputs();
  const std::vector<std::int64_t> offsets = {0, tokens};
  part.offsets = offsets;
  for (ConstMatrixView* view : {&part.x, &part.b, &part.c, &part.step}) *view = view->row_range(0, tokens);
  std::vector<float> states(static_cast<std::size_t>(part.state_values()));
  std::vector<float> y(static_cast<std::size_t>(tokens * fixture.width()));
  selective_scan(test::TestExecution(), part, states, MatrixView(y.data(), tokens, fixture.width()));
  return states;
}

TEST(SelectiveScan, ObserverSeesTheStatesOfChunksAndEnds) {
  for (const float max_norm : {0.0F, 1.0F}) {
    for (const std::int64_t head_dim : {16, 6}) {
      ScanFixture fixture({.lengths = {150},
                           .num_heads = 2,
                           .head_dim = head_dim,
                           .state_size = 5,
                           .max_norm = max_norm,
                           .with_states = false});
      test::on_every_target([&] {
        RecordingObserver observer;
        ThreadPool pool(2);
        const auto seen_y = fixture.run(test::TestExecution(&pool), &observer).y;
        EXPECT_EQ(seen_y, fixture.run().y);
        const auto seen = observer.sorted();
        ASSERT_EQ(seen.size(), 6U);
        for (std::size_t i = 0; i < seen.size(); ++i) {
          EXPECT_EQ(seen[i].sequence, 0);
          EXPECT_EQ(seen[i].head, static_cast<std::int64_t>(i / 3));
          EXPECT_EQ(seen[i].tokens, i % 3 == 2 ? 150 : static_cast<std::int64_t>(64 * (i % 3 + 1)));
          const auto states = states_after(fixture, seen[i].tokens);
          const auto size = static_cast<std::ptrdiff_t>(seen[i].state.size());
          EXPECT_TRUE(std::equal(seen[i].state.begin(), seen[i].state.end(), states.begin() + seen[i].head * size));
        }
      });
    }
  }
}

TEST(SelectiveScan, LimitedStatesKeepToTheirNorm) {
  ScanFixture fixture({.lengths = {100}, .num_heads = 2, .head_dim = 16, .state_size = 8, .max_norm = 0.5F});
  test::on_every_target([&] {
    const auto states = fixture.run().states;
    double squares = 0;
    for (std::size_t i = 0; i < 128; ++i) squares += double{states[i]} * states[i];
    EXPECT_NEAR(std::sqrt(squares), 0.5, 1e-6);
  });
}

TEST(SelectiveScan, RefusesShapesThatDisagree) {
  ScanFixture fixture({.lengths = {5}, .num_heads = 4, .num_groups = 2});
  std::vector<float> y(static_cast<std::size_t>(5 * fixture.width()));
  const MatrixView view(y.data(), 5, fixture.width());
  const ScanInputs good = fixture.inputs();
  const auto refuses = [&](const ScanInputs& inputs, std::span<float> states, MatrixView to) {
    EXPECT_THROW(selective_scan(test::TestExecution(), inputs, states, to), Error);
  };
  refuses(good, std::span(fixture.states()).first(7), view);
  refuses(good, {}, view.row_range(0, 4));
  ScanInputs bad = good;
  bad.num_groups = 3;
  refuses(bad, {}, view);
  bad = good;
  bad.num_heads = 3;
  refuses(bad, {}, view);
  bad = good;
  bad.a = good.a.first(3);
  refuses(bad, {}, view);
  bad = good;
  bad.d = good.d.first(1);
  refuses(bad, {}, view);
  bad = good;
  bad.max_norms = good.a.first(1);
  refuses(bad, {}, view);
  bad = good;
  bad.c = good.c.col_range(0, 2);
  refuses(bad, {}, view);
  bad = good;
  bad.step = good.step.row_range(0, 3);
  refuses(bad, {}, view);
  bad = good;
  bad.offsets = {};
  refuses(bad, {}, view);
}

}  // namespace
}  // namespace treble::internal
