#include "interrupt.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <future>

namespace treble::cli {
namespace {

TEST(StopSignal, WakesWhoeverPolls) {
  StopSignal stop;
  pollfd wait = {stop.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&wait, 1, 0), 0);
  EXPECT_FALSE(stop.requested());
  stop.request();
  stop.request();
  EXPECT_TRUE(stop.requested());
  EXPECT_EQ(::poll(&wait, 1, 0), 1);
}

TEST(InterruptHandler, ASignalRequestsAStop) {
  const InterruptHandler interrupts(false);
  std::promise<void> heard;
  const std::stop_callback callback(interrupts.token(), [&heard] { heard.set_value(); });
  EXPECT_FALSE(interrupts.token().stop_requested());
  std::raise(SIGINT);
  heard.get_future().wait();
  EXPECT_TRUE(interrupts.token().stop_requested());
}

TEST(InterruptHandler, LeavesTheHandlersAsTheyWere) {
  struct sigaction before = {};
  ::sigaction(SIGINT, nullptr, &before);
  {
    const InterruptHandler interrupts(false);
  }
  struct sigaction after = {};
  ::sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

}  // namespace
}  // namespace treble::cli
