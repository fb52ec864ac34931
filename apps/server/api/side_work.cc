#include "api/side_work.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

namespace treble::server {

namespace {

using Clock = std::chrono::steady_clock;

/// Stops at the deadline or with the client, whichever comes first.
class WorkStop {
 public:
  explicit WorkStop(const SubmitOptions& limits) : on_gone_(limits.stop, [this] { source_.request_stop(); }) {
    if (limits.deadline) {
      timer_ = std::jthread([this, end = *limits.deadline](const std::stop_token& over) { wait(end, over); });
    }
  }

  std::stop_token token() const { return source_.get_token(); }

 private:
  void wait(Clock::time_point end, const std::stop_token& over) {
    std::mutex mutex;
    std::condition_variable_any waiting;
    std::unique_lock lock(mutex);
    waiting.wait_until(lock, over, end, [] { return false; });
    if (!over.stop_requested()) source_.request_stop();
  }

  std::stop_source source_;
  std::stop_callback<std::function<void()>> on_gone_;
  std::jthread timer_;  ///< last: it ends before what it uses
};

/// Throws where the request need not be worked on any more.
void check_limits(const SubmitOptions& limits, const char* when) {
  if (limits.stop.stop_requested()) throw ApiError("cancelled", fmt::format("the client left {}", when));
  if (limits.deadline && Clock::now() >= *limits.deadline) {
    throw ApiError("deadline_exceeded",
                   fmt::format("the deadline passed {}; give it more time, or ask for less at once", when));
  }
}

}  // namespace

SubmitOptions read_submit_options(const Call& call, const ApiOptions& options) {
  SubmitOptions submit = {.stop = call.request().gone};
  std::chrono::milliseconds limit = options.request_timeout;
  const std::string_view header = call.request().header("x-request-timeout-ms");
  if (!header.empty()) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), value);
    constexpr std::int64_t kMax = 86'400'000;
    if (error != std::errc() || end != header.data() + header.size() || value < 1 || value > kMax) {
      throw ApiError("invalid_argument",
                     fmt::format("the header x-request-timeout-ms must be a whole number from 1 to {}, not \"{:.40}\"",
                                 kMax, header),
                     "x-request-timeout-ms");
    }
    limit = std::chrono::milliseconds(value);
  }
  if (limit.count() > 0) submit.deadline = call.request().received + limit;
  return submit;
}

void run_aside(SidePool& pool, Api& api, const std::shared_ptr<Call>& call, std::function<void()> work) {
  call->hold(std::make_shared<const Api::Place>(api));
  const SubmitOptions limits = read_submit_options(*call, api.options());
  const bool accepted = pool.submit([call, limits, work = std::move(work)] {
    call->guard([&] {
      check_limits(limits, "while the request waited");
      work();
    });
  });
  if (!accepted) throw ApiError("overloaded", "too many requests of this kind wait already; try again later");
}

void run_stoppable(Api& api, const std::shared_ptr<Call>& call, std::function<void(const std::stop_token&)> work) {
  const SubmitOptions limits = read_submit_options(*call, api.options());
  run_aside(api.side_pool(), api, call, [limits, work = std::move(work)] {
    const WorkStop stop(limits);
    try {
      work(stop.token());
    } catch (const Error& error) {
      if (error.code() == ErrorCode::interrupted) check_limits(limits, "while the request was worked on");
      throw;
    }
  });
}

}  // namespace treble::server
