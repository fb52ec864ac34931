#include "interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "fail.h"
#include "treble/error.h"

namespace treble::cli {

namespace {

constexpr int kExitInterrupted = 130;

// A signal handler gets no argument of ours, so what it acts on has to be reachable from here.
std::atomic<StopSignal*> handled_stop = nullptr;
std::atomic<bool> handled_announce = false;

extern "C" void on_signal(int /*signal*/) {
  const int saved_errno = errno;
  StopSignal* stop = handled_stop.load();
  if (stop == nullptr || stop->requested()) _exit(kExitInterrupted);
  stop->request();
  if (handled_announce.load()) {
    constexpr std::string_view kHeard = "\ntreble: finishing the texts in flight; press Ctrl-C again to stop at once\n";
    // Nothing can be done in here about a terminal that takes no text.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kHeard.data(), kHeard.size());
  }
  errno = saved_errno;
}

}  // namespace

StopSignal::StopSignal() {
  std::array<int, 2> ends = {};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) fail_errno("make", "a pipe");
  read_end_ = ends[0];
  write_end_ = ends[1];
}

StopSignal::~StopSignal() {
  ::close(read_end_);
  ::close(write_end_);
}

void StopSignal::request() noexcept {
  requested_.store(true, std::memory_order_release);
  // A full pipe is readable already.
  [[maybe_unused]] const auto written = ::write(write_end_, "", 1);
}

InterruptHandler::InterruptHandler(bool announce) : watcher_([this] { watch(); }) {
  handled_announce = announce;
  handled_stop = &signal_;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &old_int_);
  ::sigaction(SIGTERM, &action, &old_term_);
}

InterruptHandler::~InterruptHandler() {
  ::sigaction(SIGINT, &old_int_, nullptr);
  ::sigaction(SIGTERM, &old_term_, nullptr);
  handled_stop = nullptr;
  end_.request();
  watcher_.join();
}

/// A stop_source takes a lock, which a signal handler may not: a thread waits for the signal and passes it on.
void InterruptHandler::watch() {
  std::array<pollfd, 2> waits = {{{signal_.fd(), POLLIN, 0}, {end_.fd(), POLLIN, 0}}};
  while (::poll(waits.data(), waits.size(), -1) < 0 && errno == EINTR) {
  }
  if (signal_.requested()) source_.request_stop();
}

}  // namespace treble::cli
