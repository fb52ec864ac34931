#include "http/io_thread.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <utility>
#include <vector>

#include "http/connection.h"

namespace treble::server {

namespace {

/// One look at all deadlines a second costs less than a timer for each step of each request.
std::chrono::milliseconds sweep_interval(const HttpOptions& options) {
  const auto shortest =
      std::min({options.header_timeout, options.body_timeout, options.write_timeout, options.idle_timeout});
  return std::clamp(shortest / 4, std::chrono::milliseconds(10), std::chrono::milliseconds(1000));
}

}  // namespace

IoThread::IoThread(std::shared_ptr<ServerState> state)
    : state_(std::move(state)), sweep_interval_(sweep_interval(state_->options)) {}

IoThread::~IoThread() = default;

void IoThread::start() {
  sweep();
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "treble-http");
    context_.run();
  });
}

void IoThread::stop() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

void IoThread::sweep() {
  const auto now = std::chrono::steady_clock::now();
  for (Connection* connection : connections_) connection->check_deadline(now);
  sweep_timer_.expires_at(now + sweep_interval_);
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) sweep();
  });
}

void IoThread::begin_drain() {
  for (Connection* connection : connections_) connection->begin_drain();
  sweep_interval_ = std::min(sweep_interval_, std::chrono::milliseconds(20));
  sweep_timer_.cancel();
  sweep();
}

void IoThread::cut_off() {
  for (Connection* connection : connections_) connection->cut_off();
}

}  // namespace treble::server
