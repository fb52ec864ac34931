// For tests: a server on a port of its own, that keeps what it is sent and gives stored answers.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace treble::server {

class CannedServer {
 public:
  /// The whole of what is sent back to the request of this number, from 0 on; empty: nothing, and the connection stays
  /// open.
  using AnswerTo = std::function<std::string(std::size_t number)>;

  explicit CannedServer(AnswerTo answer_to) : answer_to_(std::move(answer_to)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, any, size), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    EXPECT_EQ(::getsockname(listener_, any, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~CannedServer() {
    stopping_ = true;
    thread_.join();
    for (const int socket : open_) ::close(socket);
    ::close(listener_);
  }
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  /// The requests, headers and body, once there are `count`; fewer when that takes too long.
  std::vector<std::string> requests(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return requests_.size() >= count; });
    return requests_;
  }

 private:
  bool readable(int socket) const {
    while (!stopping_) {
      pollfd file = {socket, POLLIN, 0};
      if (::poll(&file, 1, 20) > 0) return true;
    }
    return false;
  }

  std::string read_request(int socket) const {
    std::string text;
    std::array<char, 4096> buffer = {};
    std::size_t needed = std::string::npos;
    while (text.size() < needed && readable(socket)) {
      const auto got = ::recv(socket, buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
      const auto end = text.find("\r\n\r\n");
      const auto length = text.find("Content-Length: ");
      if (end != std::string::npos) {
        needed = end + 4 + (length < end ? std::stoul(text.substr(length + 16)) : 0);
      }
    }
    return text;
  }

  void serve() {
    while (readable(listener_)) {
      const int socket = ::accept(listener_, nullptr, nullptr);
      std::string request = read_request(socket);
      std::size_t number = 0;
      {
        const std::scoped_lock lock(mutex_);
        number = requests_.size();
        requests_.push_back(std::move(request));
      }
      changed_.notify_all();
      const std::string answer = answer_to_(number);
      if (answer.empty()) {
        open_.push_back(socket);
        continue;
      }
      ::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL);
      ::close(socket);
    }
  }

  const AnswerTo answer_to_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> requests_;
  std::vector<int> open_;
  std::thread thread_;
};

/// An answer with this status and body.
inline std::string canned_answer(int status, const std::string& body = "{}") {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace treble::server
