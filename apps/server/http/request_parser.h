// Bytes into a request, with its limits; nothing of sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/http_message.h"

namespace treble::server {

/// Parses one request, in whatever pieces its bytes come. Not for use by several threads at once.
class RequestParser {
 public:
  enum class State { header, body, complete, refused };

  RequestParser(std::uint32_t header_limit, std::uint64_t payload_limit);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  /// Takes what it can use of `bytes`, the unused ones of earlier calls first, and returns the number of bytes taken.
  /// Stops after the header (then the state is `body`) and after the request; what follows belongs to the next one.
  std::size_t parse(std::string_view bytes);

  State state() const noexcept { return state_; }
  bool started() const noexcept { return header_bytes_ > 0 || state_ == State::refused; }
  /// The client waits for "100 Continue" before it sends the body. Holds from the end of the header on.
  bool expects_continue() const noexcept;
  /// The client would send another request on this connection. False after a refusal.
  bool keep_alive() const noexcept;
  bool http_1_0() const noexcept;

  /// Bytes of the body that have come.
  std::size_t body_size() const noexcept;
  /// Ends the request; for reasons that lie outside it.
  void refuse(int status, std::string message);

  /// Why the request was refused: 400, 413, 414, 417, 431, 501 or 505.
  int refusal_status() const noexcept { return refusal_status_; }
  const std::string& refusal() const noexcept { return refusal_; }

  /// What has been read, without peer and times; the body is moved out.
  HttpRequest take_request();

 private:
  struct Impl;

  std::size_t parse_header(std::string_view bytes);
  std::size_t parse_body(std::string_view bytes);
  void check_header();
  void refuse_header(std::string_view rest, bool bad_version);
  void refuse_long_header(std::string_view rest);

  std::uint32_t header_limit_;
  std::uint64_t payload_limit_;
  State state_ = State::header;
  std::size_t header_bytes_ = 0;  ///< taken so far
  int refusal_status_ = 0;
  std::string refusal_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble::server
