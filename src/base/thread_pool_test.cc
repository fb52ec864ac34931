#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

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

TEST(ThreadPool, LoopsOfManyCallersAllRun) {
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

TEST(ThreadPool, LoopsOfTwoCallersRunAtOnce) {
  ThreadPool pool(2);
  std::atomic<int> started{0};
  const auto meet = [&](std::int64_t, int) {
    ++started;
    while (started < 2) std::this_thread::yield();
  };
  std::thread other([&] { pool.parallel_for(1, meet); });
  pool.parallel_for(1, meet);
  other.join();
  EXPECT_EQ(started, 2);
}

TEST(ThreadPool, NoMoreThreadsThanSlotsAreAtWorkAndEachHasItsOwn) {
  constexpr int kSlots = 3;
  ThreadPool pool(kSlots);
  std::array<std::atomic<int>, kSlots> inside{};
  std::atomic<int> at_work{0};
  const auto body = [&](std::int64_t, int worker) {
    EXPECT_LE(++at_work, kSlots);
    EXPECT_EQ(++inside.at(static_cast<std::size_t>(worker)), 1);
    std::this_thread::yield();
    --inside.at(static_cast<std::size_t>(worker));
    --at_work;
  };
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 100; ++round) pool.parallel_for(1 + (round * caller) % 17, body);
    });
  }
  for (auto& caller : callers) caller.join();
}

TEST(ThreadPool, ALongLoopMakesWayForOtherCallers) {
  struct Enough {};
  for (const int threads : {1, 2}) {
    ThreadPool pool(threads);
    std::atomic<int> running{0};
    std::atomic<bool> short_one_ran{false};
    std::atomic<int> made_way{0};
    std::vector<std::thread> long_ones;
    for (int caller = 0; caller < threads; ++caller) {
      long_ones.emplace_back([&] {
        // Too many indices to get through before the short loop runs, unless it runs in between.
        const auto body = [&](std::int64_t index, int) {
          if (index == 0) ++running;
          if (short_one_ran) throw Enough{};
          std::this_thread::yield();
        };
        try {
          pool.parallel_for(std::int64_t{1} << 30, body);
        } catch (const Enough&) {
          ++made_way;
        }
      });
    }
    while (running < threads) std::this_thread::yield();
    pool.parallel_for(1, [&](std::int64_t, int) { short_one_ran = true; });
    for (auto& caller : long_ones) caller.join();
    EXPECT_EQ(made_way, threads);
  }
}

TEST(ThreadPool, ARunHoldsItsWorkerAndSharesItsLoops) {
  ThreadPool pool(2);
  std::atomic<int> hits{0};
  std::vector<std::thread> callers;
  std::array<std::atomic<int>, 2> inside{};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      pool.run([&](int worker) {
        EXPECT_EQ(++inside.at(static_cast<std::size_t>(worker)), 1);
        for (int round = 0; round < 50; ++round) pool.parallel_for(4, [&](std::int64_t, int) { ++hits; });
        pool.run([&](int inner) { EXPECT_EQ(inner, worker); });
        --inside.at(static_cast<std::size_t>(worker));
      });
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(hits, 4 * 50 * 4);
}

TEST(ThreadPool, OtherThreadsJoinTheLoopsOfARun) {
  ThreadPool pool(2);
  pool.run([&](int) {
    std::atomic<int> started{0};
    pool.parallel_for(2, [&](std::int64_t, int) {
      ++started;
      while (started < 2) std::this_thread::yield();
    });
  });
}

TEST(ThreadPool, ALoopWithinALoopRunsOnItsThread) {
  ThreadPool pool(2);
  std::atomic<int> hits{0};
  pool.parallel_for(6, [&](std::int64_t, int outer) {
    pool.parallel_for(5, [&](std::int64_t, int inner) {
      EXPECT_EQ(inner, outer);
      ++hits;
    });
  });
  EXPECT_EQ(hits, 30);
}

TEST(ThreadPool, EachCallerGetsItsOwnException) {
  ThreadPool pool(3);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 50; ++round) {
        std::string message = "none";
        try {
          pool.parallel_for(40, [&](std::int64_t index, int) {
            if (index == 7 && caller % 2 == 0) throw std::runtime_error(std::to_string(caller));
          });
        } catch (const std::runtime_error& error) {
          message = error.what();
        }
        EXPECT_EQ(message, caller % 2 == 0 ? std::to_string(caller) : "none");
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

TEST(ThreadPool, TwoPoolsMayBeUsedWithinEachOther) {
  ThreadPool first(1);
  ThreadPool second(2);
  std::atomic<int> hits{0};
  first.run([&](int) {
    second.parallel_for(4, [&](std::int64_t, int) { ++hits; });
    second.run([&](int) { first.parallel_for(4, [&](std::int64_t, int) { ++hits; }); });
  });
  EXPECT_EQ(hits, 8);
}

TEST(ThreadPool, ManyShortLoopsWithPausesBetween) {
  // Loops begin while workers spin, while they fall asleep and while they sleep.
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
