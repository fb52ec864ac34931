// Requests and responses as the API sees them; nothing of sockets.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace treble::server {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// A request whose body has been read.
struct HttpRequest {
  std::string method = {};                              ///< as sent: "POST"
  std::string path = {};                                ///< of the target, before "?"; not decoded
  std::string query = {};                               ///< of the target, after "?"; empty if there is none
  Headers headers = {};                                 ///< names in lower case, in the order sent
  std::string body = {};                                ///< at most as long as the payload limit
  std::string peer = {};                                ///< "192.0.2.1:5000", or "unix"
  std::chrono::steady_clock::time_point received = {};  ///< when its first byte was read
  /// Stopped when the client closed its side before it was answered, and when the server cuts connections off. A client
  /// that closed only its sending side is one that left, as nothing tells the two apart; it still gets the answer.
  std::stop_token gone = {};

  /// The first header of this name (lower case); empty if there is none.
  std::string_view header(std::string_view name) const noexcept;
};

/// What is sent back. Content-Length, Date, Connection and Server are the HTTP layer's.
struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers = {};
  std::string body = {};
};

/// Answers a request: to be called exactly once, on any thread, even if the client left. If all copies are destroyed
/// without a call, the client gets 500.
using Respond = std::function<void(HttpResponse)>;

/// Takes a request on an I/O thread, which it must not hold up; answers then or later.
using Handler = std::function<void(std::shared_ptr<const HttpRequest> request, Respond respond)>;

}  // namespace treble::server
