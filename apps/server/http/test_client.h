// For tests: a client that sends what it is told, byte by byte, and a server that answers by path.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "http/http_server.h"

namespace treble::server {

/// Waits at most ten seconds for anything: a test that fails must not hang.
inline constexpr int patience_ms = 10'000;

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  explicit RawClient(const std::filesystem::path& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    const sockaddr_un address = unix_address(path);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  RawClient(RawClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_), read_(std::move(other.read_)) {}
  RawClient& operator=(RawClient&&) = delete;
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  static sockaddr_un unix_address(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    return address;
  }

  /// A Unix socket that is bound and whose file stays behind.
  struct Bound {
    int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    explicit Bound(const std::filesystem::path& path) {
      const sockaddr_un address = unix_address(path);
      EXPECT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    ~Bound() { ::close(socket); }
    Bound(const Bound&) = delete;
    Bound& operator=(const Bound&) = delete;
  };

  bool connected() const { return connected_; }
  int socket() const { return socket_; }

  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void reset() {  // RST instead of FIN
    const linger abort{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    close();
  }
  void end_sending() { ::shutdown(socket_, SHUT_WR); }

  /// False when the server no longer takes it.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// More bytes into the buffer; false at the end of the connection or of patience.
  bool read_more(int timeout_ms = patience_ms) {
    pollfd wait = {socket_, POLLIN, 0};
    if (::poll(&wait, 1, timeout_ms) != 1) return false;
    char bytes[65'536];
    const auto size = ::recv(socket_, bytes, sizeof bytes, 0);
    if (size > 0) read_.append(bytes, static_cast<std::size_t>(size));
    return size > 0;
  }

  /// Up to and with `end`, or all there was.
  std::string read_until(std::string_view end) {
    while (read_.find(end) == std::string::npos) {
      if (!read_more()) return std::exchange(read_, {});
    }
    const auto size = read_.find(end) + end.size();
    std::string text = read_.substr(0, size);
    read_.erase(0, size);
    return text;
  }

  struct Reply {
    int status = 0;    ///< 0: none came
    std::string head;  ///< with the empty line
    std::string body;
  };

  Reply reply(bool to_head = false) {
    Reply reply;
    reply.head = read_until("\r\n\r\n");
    if (!reply.head.starts_with("HTTP/1.1 ")) return reply;
    reply.status = std::atoi(reply.head.c_str() + 9);
    const auto length = reply.head.find("Content-Length: ");
    if (to_head || length == std::string::npos) return reply;
    const auto size = static_cast<std::size_t>(std::atol(reply.head.c_str() + length + 16));
    while (read_.size() < size && read_more()) {
    }
    reply.body = read_.substr(0, size);
    read_.erase(0, reply.body.size());
    return reply;
  }

  Reply ask(std::string_view bytes) {
    send(bytes);
    return reply();
  }

  /// The server closes, with nothing more to read.
  bool closed_by_server() {
    while (read_more()) {
    }
    pollfd wait = {socket_, POLLIN, 0};
    char byte = 0;
    return read_.empty() && ::poll(&wait, 1, 0) == 1 && ::recv(socket_, &byte, 1, 0) <= 0;
  }

 private:
  int socket_;
  bool connected_ = false;
  std::string read_;
};

inline std::string get(std::string_view path, std::string_view more_headers = {}) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" + std::string(more_headers) + "\r\n";
}

inline std::string post(std::string_view path, std::string_view body) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

template <typename Condition>
bool eventually(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// Answers "/echo" with "METHOD path?query body" at once; keeps requests to "/later" until the test answers them;
/// throws at "/throw" and forgets "/forget". "/empty" is 204.
class TestServer {
 public:
  using Held = std::pair<std::shared_ptr<const HttpRequest>, Respond>;

  explicit TestServer(HttpOptions options = {}) : server_(local(std::move(options)), handler(), refusal()) {}

  HttpServer& operator*() { return server_; }
  HttpServer* operator->() { return &server_; }
  RawClient client() const { return RawClient(server_.port()); }

  /// All requests to "/later" that wait.
  std::vector<Held> take_all() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(held_, {});
  }

  /// The request to "/later" that came first and has not been taken.
  Held take() {
    Held held;
    EXPECT_TRUE(eventually([&] {
      const std::scoped_lock lock(mutex_);
      if (held_.empty()) return false;
      held = std::move(held_.front());
      held_.erase(held_.begin());
      return true;
    })) << "no request came";
    return held;
  }

 private:
  static HttpOptions local(HttpOptions options) {
    options.hostname = "127.0.0.1";
    options.port = 0;
    return options;
  }

  Handler handler() {
    return [this](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
      if (request->path == "/later") {
        const std::scoped_lock lock(mutex_);
        held_.emplace_back(request, respond);
      } else if (request->path == "/throw") {
        throw std::runtime_error("thrown by the handler");
      } else if (request->path == "/empty") {
        respond({.status = 204});
      } else if (request->path != "/forget") {
        respond({.body = request->method + " " + request->path + "?" + request->query + " " + request->body});
      }
    };
  }

  static Refuse refusal() {
    return [](int status, const std::string& message, const HttpRequest&) {
      return HttpResponse{.status = status, .content_type = "text/plain", .headers = {}, .body = message};
    };
  }

  std::mutex mutex_;
  std::vector<Held> held_;
  HttpServer server_;
};

}  // namespace treble::server
