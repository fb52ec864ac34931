// Many callers at once with everything that can happen to a request.
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <thread>
#include <vector>

#include "engine/golden_support.h"
#include "engine/request_generator.h"
#include "treble/request_queue.h"

namespace treble::internal {
namespace {

using Clock = std::chrono::steady_clock;
using Texts = std::vector<std::string>;

constexpr double kTolerance = 1e-6;

/// One caller of the storm: requests of all kinds, some cancelled, some with deadlines, some wrong.
class StormCaller {
 public:
  StormCaller(RequestQueue& queue, const SentenceEncoder& encoder, std::uint32_t seed)
      : queue_(queue), encoder_(encoder), generator_(seed) {}

  void run() {
    for (int round = 0; round < 40; ++round) send();
    for (auto& request : open_) check(request);
  }

 private:
  struct Open {
    Texts texts;
    EncodeOptions options;
    std::future<Embeddings> future;
    bool may_stop = false;
  };

  void send() {
    Open request{generator_.texts(), generator_.options(), {}, generator_.chance(30)};
    if (generator_.chance(5)) request.texts.emplace_back("bad \xff byte");
    std::stop_source stop;
    SubmitOptions submit{.stop = stop.get_token()};
    if (request.may_stop && generator_.chance(50)) {
      submit.deadline = Clock::now() + std::chrono::microseconds(generator_.draw(0, 3000));
    }
    try {
      request.future = queue_.submit(request.texts, request.options, submit);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::overloaded) << error.what();
      return;
    }
    if (request.may_stop && !submit.deadline) stop.request_stop();
    open_.push_back(std::move(request));
    if (generator_.chance(40)) {
      check(open_.front());
      open_.pop_front();
    }
  }

  void check(Open& request) {
    std::string expected = "no error";
    Embeddings wanted;
    try {
      wanted = encoder_.encode(test::views(request.texts), request.options);
    } catch (const Error& error) {
      expected = error.what();
    }
    try {
      EXPECT_LE(test::vector_difference(request.future.get(), wanted), kTolerance);
      EXPECT_EQ(expected, "no error");
    } catch (const Error& error) {
      const bool stopped = error.code() == ErrorCode::cancelled || error.code() == ErrorCode::deadline_exceeded;
      EXPECT_TRUE((stopped && request.may_stop) || error.what() == expected) << error.what();
    }
  }

  RequestQueue& queue_;
  const SentenceEncoder& encoder_;
  test::RequestGenerator generator_;
  std::deque<Open> open_;
};

TEST(RequestQueueStorm, AnswersEverythingOnce) {
  const auto encoder = test::load("bert", 2);
  RequestQueue queue(encoder, {.max_texts = 120, .batch_tokens = 100, .overtaking = 4});
  std::vector<std::thread> callers;
  for (std::uint32_t caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] { StormCaller(queue, encoder, caller).run(); });
  }
  for (auto& caller : callers) caller.join();
  queue.drain();
  const auto statistics = queue.statistics();
  EXPECT_EQ(statistics.accepted, statistics.completed + statistics.failed + statistics.cancelled + statistics.expired);
  EXPECT_GT(statistics.completed, 0U);
  EXPECT_EQ(statistics.waiting_texts, 0);
  EXPECT_EQ(statistics.waiting_tokens, 0);
}

}  // namespace
}  // namespace treble::internal
