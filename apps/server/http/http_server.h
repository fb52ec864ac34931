// HTTP/1.1 over TCP and Unix sockets: connections, limits, timeouts, draining.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "http/http_message.h"

namespace treble::server {

struct HttpOptions {
  std::string hostname = "0.0.0.0";                  ///< an address or name to listen on; every address that it has
  std::uint16_t port = 3000;                         ///< 0: any free one
  std::filesystem::path uds_path = {};               ///< a Unix socket to listen on instead of TCP
  std::uint64_t payload_limit = 2'000'000;           ///< bytes of a body; more is 413
  std::uint32_t header_limit = 16'384;               ///< bytes of request line and headers; more is 431
  std::uint64_t memory_limit = 1'000'000'000;        ///< bytes of all requests' and responses' bodies; see below
  int max_connections = 16'384;                      ///< open at once; further ones wait in the kernel's backlog
  std::chrono::milliseconds header_timeout{10'000};  ///< for request line and headers, from their first byte; then 408
  std::chrono::milliseconds body_timeout{60'000};    ///< for a body; then 408
  std::chrono::milliseconds write_timeout{60'000};   ///< for a client to take a response, restarted by progress
  std::chrono::milliseconds idle_timeout{75'000};    ///< of a kept-alive connection between requests
  int threads = 1;                                   ///< of I/O, on which handlers run
};

/// What the HTTP layer refuses by itself: 400, 408, 413, 414, 417, 431, 501, 505; 429 for a body that comes while
/// `memory_limit` is used up; and 500 for a handler that threw or lost its `respond`. `request` has what was read until
/// then and no body. Called on an I/O thread. The response is sent and the connection closed.
using Refuse = std::function<HttpResponse(int status, const std::string& message, const HttpRequest& request)>;

struct HttpStatistics {
  std::int64_t connections = 0;           ///< open now
  std::uint64_t accepted = 0;             ///< connections, ever
  std::uint64_t timed_out = 0;            ///< connections closed by a timeout
  std::uint64_t clients_gone = 0;         ///< requests whose client left, or stopped sending, before the answer
  std::int64_t requests_in_progress = 0;  ///< handed to the handler and not yet answered
};

/// Listens from its construction on. Threads: all functions may be called from any thread.
class HttpServer {
 public:
  /// Throws Error{io, invalid_argument} naming address and port when they cannot be listened on. Raises the process's
  /// soft limit of open files as far as max_connections needs and the hard limit allows.
  HttpServer(const HttpOptions& options, Handler handler, Refuse refuse);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// The TCP port listened on; 0 for a Unix socket.
  std::uint16_t port() const noexcept;
  /// "http://0.0.0.0:3000" or "unix:/run/treble.sock".
  std::string address() const;

  /// Stops listening, closes idle connections, lets requests that were read, or that come within a moment on a
  /// connection there is, be answered (with "Connection: close"), and returns when all connections are closed or
  /// `limit` has passed; then the rest is cut off. Not to be called from a handler. The destructor drains with no time
  /// at all.
  void drain(std::chrono::milliseconds limit);

  /// How many connections may be open at once: `max_connections`, or fewer where the hard limit of open files is lower.
  int connection_limit() const noexcept;

  HttpStatistics statistics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble::server
