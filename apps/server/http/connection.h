// One client's connection: reads requests, has them handled, writes responses, one after the other.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "http/io_thread.h"
#include "http/listen.h"
#include "http/request_parser.h"

namespace treble::server {

/// All functions are called on the connection's I/O thread. While no request is there it holds no buffer.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(StreamSocket socket, std::string peer, std::shared_ptr<IoThread> thread);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Until the connection is closed. The caller keeps this object for as long.
  boost::asio::awaitable<void> serve();

  /// nullopt: the handler lost its `respond`.
  void answer(std::optional<HttpResponse> response);

  void check_deadline(std::chrono::steady_clock::time_point now);
  void begin_drain();
  void cut_off();

 private:
  using Clock = std::chrono::steady_clock;

  boost::asio::awaitable<void> serve_requests();
  boost::asio::awaitable<bool> wait_for_request();
  boost::asio::awaitable<bool> serve_request();
  boost::asio::awaitable<void> read_request(RequestParser& parser);
  boost::asio::awaitable<bool> read_more(std::size_t size);
  boost::asio::awaitable<void> send_continue();
  boost::asio::awaitable<void> wait_for_answer();
  boost::asio::awaitable<void> write(const std::string& head, const std::string& body);
  boost::asio::awaitable<void> linger();

  void hold(std::size_t bytes);
  void handle(const std::shared_ptr<HttpRequest>& request);
  void watch_client();
  void client_left();
  void wake();
  void start_deadline(Clock::duration timeout);

  StreamSocket socket_;
  std::string peer_;
  std::shared_ptr<IoThread> thread_;
  ServerState& state_;
  boost::beast::flat_buffer buffer_;  ///< read and not yet parsed
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point received_;  ///< the first byte of the request

  std::size_t held_ = 0;  ///< bytes of bodies of the request at hand, part of state_.memory

  std::stop_source gone_{std::nostopstate};
  std::optional<HttpResponse> response_;
  boost::asio::cancellation_signal stop_watching_;
  boost::asio::steady_timer* waiting_ = nullptr;  ///< wakes wait_for_answer

  bool idle_ = false;       ///< between requests
  bool timed_out_ = false;  ///< what is awaited was cancelled by its deadline
  bool answered_ = true;    ///< false: a handler has a request
  bool watching_ = false;   ///< a read is outstanding that notices the client leaving
  bool left_ = false;       ///< the client sends no more
  bool broken_ = false;     ///< nothing can be sent any more
};

}  // namespace treble::server
