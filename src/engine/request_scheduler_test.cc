#include "engine/request_scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

namespace treble::internal {
namespace {

using Names = std::vector<std::string>;

/// "request.text" of what runs in each batch of up to `budget` tokens, until nothing waits.
std::vector<Names> run_all(RequestScheduler& scheduler, std::int64_t budget) {
  std::vector<Names> batches;
  while (!scheduler.empty()) {
    auto& names = batches.emplace_back();
    for (const auto& text : scheduler.next_batch(budget)) {
      names.push_back(std::to_string(text.request) + "." + std::to_string(text.text));
    }
  }
  return batches;
}

TEST(RequestScheduler, ShortTextsOvertakeLongOnes) {
  RequestScheduler scheduler(32);
  for (std::uint64_t request = 0; request < 5; ++request) scheduler.add({request, 0, 512}, 0);
  scheduler.add({5, 0, 16}, 0);
  EXPECT_EQ(run_all(scheduler, 512), (std::vector<Names>{{"5.0"}, {"0.0"}, {"1.0"}, {"2.0"}, {"3.0"}, {"4.0"}}));
}

TEST(RequestScheduler, ASmallRequestOvertakesTheRestOfALargeOne) {
  RequestScheduler scheduler(4);
  for (std::int64_t text = 0; text < 100; ++text) scheduler.add({0, text, 10}, 0);
  scheduler.add({1, 0, 10}, 0);
  // Keys 40, 80, … against 1000 + 40.
  const auto batches = run_all(scheduler, 10);
  const auto place = std::find(batches.begin(), batches.end(), Names{"1.0"}) - batches.begin();
  EXPECT_EQ(place, 26);
}

TEST(RequestScheduler, TextsOfARequestKeepTheirOrder) {
  RequestScheduler scheduler(8);
  scheduler.add({3, 0, 100}, 0);
  scheduler.add({3, 1, 2}, 0);
  scheduler.add({3, 2, 50}, 0);
  EXPECT_EQ(run_all(scheduler, 1), (std::vector<Names>{{"3.0"}, {"3.1"}, {"3.2"}}));
}

TEST(RequestScheduler, BatchesKeepTheBudgetAndTheGroup) {
  RequestScheduler scheduler(1);
  scheduler.add({0, 0, 30}, 0);
  scheduler.add({1, 0, 30}, 0);
  scheduler.add({2, 0, 30}, 0);
  scheduler.add({3, 0, 30}, 1);
  scheduler.add({4, 0, 30}, 1);
  scheduler.add({5, 0, 200}, 1);
  EXPECT_EQ(scheduler.waiting_tokens(), 350);
  EXPECT_EQ(run_all(scheduler, 60), (std::vector<Names>{{"0.0", "1.0"}, {"2.0"}, {"3.0", "4.0"}, {"5.0"}}));
  EXPECT_EQ(scheduler.waiting_tokens(), 0);
}

TEST(RequestScheduler, TextsWithoutTokensRunToo) {
  RequestScheduler scheduler(8);
  for (std::int64_t text = 0; text < 3; ++text) scheduler.add({0, text, 0}, 0);
  EXPECT_EQ(run_all(scheduler, 1), (std::vector<Names>{{"0.0", "0.1", "0.2"}}));
}

TEST(RequestScheduler, ARemovedRequestLeavesNothingBehind) {
  RequestScheduler scheduler(8);
  scheduler.add({0, 0, 10}, 0);
  scheduler.add({1, 0, 5}, 0);
  scheduler.add({0, 1, 10}, 0);
  scheduler.remove(0);
  scheduler.remove(7);
  EXPECT_EQ(scheduler.waiting_tokens(), 5);
  EXPECT_EQ(run_all(scheduler, 100), (std::vector<Names>{{"1.0"}}));
}

/// A text that waits, and what has happened to it.
struct Watched {
  std::int64_t order = 0;         ///< of entering
  std::int64_t request_work = 0;  ///< tokens of its request up to and including it
  std::int64_t overtaken_by = 0;  ///< tokens that entered later and ran before
};

/// A seeded mixture of requests whose texts enter a few at a time while batches run; returns the largest share of its
/// bound that any text was overtaken by.
double largest_share_of_bound(std::int64_t overtaking, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto draw = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  RequestScheduler scheduler(overtaking);
  std::map<std::pair<std::uint64_t, std::int64_t>, Watched> waiting;
  std::map<std::uint64_t, std::pair<std::int64_t, std::int64_t>> requests;  // texts and tokens so far
  std::int64_t order = 0;
  double largest = 0;
  for (int step = 0; step < 3000; ++step) {
    const std::int64_t entering = draw(0, 6);
    for (std::int64_t i = 0; i < entering; ++i) {
      const auto request = static_cast<std::uint64_t>(step / 20 * 10 + draw(0, 9));
      auto& [texts, tokens] = requests[request];
      const std::int64_t length = draw(0, 9) == 0 ? draw(300, 512) : draw(2, 24);
      tokens += length;
      scheduler.add({request, texts, length}, 0);
      waiting[{request, texts++}] = {order++, tokens, 0};
    }
    for (const auto& text : scheduler.next_batch(64)) {
      const auto running = waiting.extract({text.request, text.text}).mapped();
      for (auto& [key, other] : waiting) {
        if (other.order < running.order) other.overtaken_by += text.tokens;
      }
      const auto bound = static_cast<double>(overtaking * running.request_work);
      EXPECT_LE(static_cast<double>(running.overtaken_by), bound);
      largest = std::max(largest, static_cast<double>(running.overtaken_by) / bound);
    }
  }
  return largest;
}

TEST(RequestScheduler, NoTextIsOvertakenBeyondTheBound) {
  for (const std::int64_t overtaking : {1, 2, 8, 32}) {
    for (std::uint32_t seed = 0; seed < 4; ++seed) largest_share_of_bound(overtaking, seed);
  }
  // The mixture comes near the bound, so that a looser order would show.
  EXPECT_GT(largest_share_of_bound(8, 1), 0.5);
}

TEST(RequestScheduler, ALongTextIsNotStarvedByAnEndlessStreamOfShortOnes) {
  constexpr std::int64_t kOvertaking = 32;
  RequestScheduler scheduler(kOvertaking);
  scheduler.add({0, 0, 512}, 0);
  std::int64_t overtaken_by = 0;
  std::uint64_t request = 1;
  for (bool ran = false; !ran;) {
    ASSERT_LE(overtaken_by, kOvertaking * 512);
    // More enters than runs.
    for (int i = 0; i < 5; ++i) scheduler.add({request++, 0, 16}, 0);
    for (const auto& text : scheduler.next_batch(64)) {
      ran = ran || text.request == 0;
      if (!ran) overtaken_by += text.tokens;
    }
  }
  EXPECT_GT(overtaken_by, kOvertaking * 512 / 2);
}

}  // namespace
}  // namespace treble::internal
