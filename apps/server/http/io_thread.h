// A thread of I/O with its connections, and what all of them share.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <unordered_set>

#include "http/http_server.h"

namespace treble::server {

class Connection;

/// Of one server, shared by its threads.
struct ServerState {
  HttpOptions options;
  Handler handler;
  Refuse refuse;
  int connection_limit = 0;
  std::atomic<bool> draining{false};
  std::atomic<std::int64_t> connections{0};
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> timed_out{0};
  std::atomic<std::uint64_t> clients_gone{0};
  std::atomic<std::int64_t> requests_in_progress{0};
  std::atomic<std::uint64_t> memory{0};  ///< bytes of bodies that connections hold
};

/// Each connection belongs to one thread for its whole life, so that it needs no lock.
class IoThread {
 public:
  explicit IoThread(std::shared_ptr<ServerState> state);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  void start();
  /// Ends the thread. Coroutines that are left are destroyed with this object.
  void stop();

  boost::asio::io_context& context() noexcept { return context_; }
  ServerState& state() noexcept { return *state_; }

  // On this thread alone:
  void add(Connection& connection) { connections_.insert(&connection); }
  void remove(Connection& connection) { connections_.erase(&connection); }
  void begin_drain();
  void cut_off();

 private:
  void sweep();

  std::shared_ptr<ServerState> state_;
  boost::asio::io_context context_{1};
  boost::asio::steady_timer sweep_timer_{context_};
  std::chrono::milliseconds sweep_interval_;
  std::unordered_set<Connection*> connections_;
  std::thread thread_;
};

}  // namespace treble::server
