#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>

#include "treble/error.h"

namespace treble::internal {
namespace {

TEST(ThreadPool, RunsEveryIndexOnce) {
  ThreadPool pool(4);
  for (const std::int64_t count : {0, 1, 3, 1000}) {
    std::vector<std::atomic<int>> hits(static_cast<std::size_t>(count));
    pool.parallel_for(count, [&](std::int64_t index, int worker) {
      EXPECT_GE(worker, 0);
      EXPECT_LT(worker, 4);
      ++hits[static_cast<std::size_t>(index)];
    });
    for (const auto& hit : hits) EXPECT_EQ(hit, 1);
  }
}

TEST(ThreadPool, AWorkerNumberIsHeldByOneThreadAtATime) {
  ThreadPool pool(3);
  std::array<std::atomic<int>, 3> inside{};
  pool.parallel_for(3000, [&](std::int64_t, int worker) {
    EXPECT_EQ(++inside.at(static_cast<std::size_t>(worker)), 1);
    --inside.at(static_cast<std::size_t>(worker));
  });
}

TEST(ThreadPool, RethrowsTheFirstExceptionAndStaysUsable) {
  ThreadPool pool(2);
  std::atomic<int> after{0};
  EXPECT_THROW(pool.parallel_for(100000,
                                 [&](std::int64_t index, int) {
                                   if (index == 10) throw std::runtime_error("ten");
                                   ++after;
                                 }),
               std::runtime_error);
  EXPECT_LT(after, 100000);
  std::atomic<int> hits{0};
  pool.parallel_for(50, [&](std::int64_t, int) { ++hits; });
  EXPECT_EQ(hits, 50);
}

TEST(ThreadPool, CallersTakeTurns) {
  ThreadPool pool(2);
  std::atomic<int> hits{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 20; ++round) pool.parallel_for(10, [&](std::int64_t, int) { ++hits; });
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(hits, 800);
}

TEST(ThreadPool, ManyShortLoopsWithPausesBetween) {
  // Loops begin while workers spin, while they go to sleep and while they sleep.
  ThreadPool pool(3);
  std::atomic<std::int64_t> sum{0};
  for (int round = 0; round < 2000; ++round) {
    if (round % 100 == 0) std::this_thread::sleep_for(std::chrono::microseconds(round / 10));
    pool.parallel_for(3, [&](std::int64_t index, int) { sum += index; });
  }
  EXPECT_EQ(sum, 2000 * 3);
}

TEST(ThreadPool, OneThreadRunsOnTheCaller) {
  ThreadPool pool(1);
  const auto self = std::this_thread::get_id();
  pool.parallel_for(5, [&](std::int64_t, int) { EXPECT_EQ(std::this_thread::get_id(), self); });
}

TEST(ThreadPool, RefusesSenselessSizes) {
  EXPECT_THROW(ThreadPool(0), Error);
  EXPECT_THROW(ThreadPool(-1), Error);
  EXPECT_THROW(ThreadPool(5000), Error);
}

}  // namespace
}  // namespace treble::internal
