#include "http/connection.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <string_view>
#include <utility>

#include "http/response_head.h"

namespace treble::server {

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t first_read = 4096;                   ///< bytes; the header of a request, mostly
constexpr std::size_t body_read = 65'536;                  ///< bytes
constexpr std::chrono::milliseconds linger_timeout{2000};  ///< for the client to take a last response
constexpr std::chrono::milliseconds drain_grace{250};      ///< for a next request that is on its way already

std::string_view bytes_of(const boost::beast::flat_buffer& buffer) {
  return {static_cast<const char*>(buffer.data().data()), buffer.size()};
}

/// What a Respond holds: it may outlive connection and server.
class Responder {
 public:
  Responder(std::weak_ptr<Connection> connection, std::shared_ptr<IoThread> thread)
      : connection_(std::move(connection)), thread_(std::move(thread)) {}
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;
  ~Responder() {
    if (!used_) deliver(std::nullopt);
  }

  void respond(HttpResponse response) {
    if (!used_.exchange(true)) deliver(std::move(response));
  }

 private:
  void deliver(std::optional<HttpResponse> response) {
    asio::dispatch(thread_->context(), [connection = connection_, response = std::move(response)]() mutable {
      if (const auto alive = connection.lock()) alive->answer(std::move(response));
    });
  }

  std::weak_ptr<Connection> connection_;
  std::shared_ptr<IoThread> thread_;
  std::atomic<bool> used_{false};
};

/// Takes the connection out of its thread's list, however serving ends.
struct Listed {
  IoThread& thread;
  Connection& connection;
  Listed(IoThread& its_thread, Connection& listed) : thread(its_thread), connection(listed) { thread.add(connection); }
  ~Listed() { thread.remove(connection); }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;
};

}  // namespace

Connection::Connection(StreamSocket socket, std::string peer, std::shared_ptr<IoThread> thread)
    : socket_(std::move(socket)), peer_(std::move(peer)), thread_(std::move(thread)), state_(thread_->state()) {}

Connection::~Connection() {
  if (!answered_) --state_.requests_in_progress;
  hold(0);
  --state_.connections;
}

awaitable<void> Connection::serve() {
  const Listed listed(*thread_, *this);
  co_await serve_requests();
  error_code ignored;
  socket_.close(ignored);
}

awaitable<void> Connection::serve_requests() {
  bool again = true;
  while (again) {
    again = co_await wait_for_request();
    if (again) again = co_await serve_request();
    hold(0);
  }
}

awaitable<bool> Connection::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  if (left_ || broken_) co_return false;
  buffer_.clear();
  buffer_.shrink_to_fit();
  idle_ = true;
  start_deadline(state_.draining ? Clock::duration(drain_grace) : Clock::duration(state_.options.idle_timeout));
  const auto [error] = co_await socket_.async_wait(asio::socket_base::wait_read, no_throw);
  idle_ = false;
  if (error && timed_out_ && !state_.draining) ++state_.timed_out;
  co_return !error;
}

awaitable<bool> Connection::serve_request() {
  RequestParser parser(state_.options.header_limit, state_.options.payload_limit);
  received_ = Clock::now();
  start_deadline(state_.options.header_timeout);
  co_await read_request(parser);
  const bool timed_out = timed_out_ && parser.state() != RequestParser::State::complete;
  if (timed_out) ++state_.timed_out;
  const bool nothing_came = !parser.started() && buffer_.size() == 0;
  if (nothing_came || broken_) co_return false;

  const auto request = std::make_shared<HttpRequest>(parser.take_request());
  request->peer = peer_;
  request->received = received_;
  bool keep = parser.keep_alive();
  if (parser.state() == RequestParser::State::refused) {
    response_ = state_.refuse(parser.refusal_status(), parser.refusal(), *request);
  } else if (timed_out) {
    response_ = state_.refuse(408, "the request did not arrive in time", *request);
    keep = false;
  } else if (parser.state() != RequestParser::State::complete) {
    co_return false;  // the client left in the middle of it
  } else {
    handle(request);
    co_await wait_for_answer();
    if (!response_) {
      response_ = state_.refuse(500, "the server lost this request; please report it", *request);
      keep = false;
    }
  }
  if (broken_) co_return false;

  // Requests that have been read already are answered even so.
  keep = keep && (buffer_.size() > 0 || (!state_.draining && !left_));
  hold(request->body.size() + response_->body.size());
  const bool head_only = request->method == "HEAD" || has_no_body(response_->status);
  const std::string head = response_head(*response_, {.keep_alive = keep, .http_1_0 = parser.http_1_0()});
  const std::string body = head_only ? std::string() : std::move(response_->body);
  response_.reset();
  co_await write(head, body);
  if (!keep && !broken_) co_await linger();
  co_return keep && !broken_;
}

/// Ends when the request is complete or refused, the client left or the deadline passed.
awaitable<void> Connection::read_request(RequestParser& parser) {
  using State = RequestParser::State;
  bool more = true;
  while (more) {
    const State before = parser.state();
    buffer_.consume(parser.parse(bytes_of(buffer_)));
    hold(parser.body_size());
    if (held_ > 0 && state_.memory > state_.options.memory_limit) {
      parser.refuse(429, "the server holds as many bytes of requests and responses as it may; try again later");
    }
    if (parser.state() == State::complete || parser.state() == State::refused) co_return;
    if (before == State::header && parser.state() == State::body) {
      start_deadline(state_.options.body_timeout);
      if (parser.expects_continue() && buffer_.size() == 0) co_await send_continue();
      if (buffer_.size() > 0) continue;
    }
    more = co_await read_more(parser.state() == State::header ? first_read : body_read);
  }
}

awaitable<bool> Connection::read_more(std::size_t size) {
  const auto space = buffer_.prepare(size);
  const auto [error, read] = co_await socket_.async_read_some(space, no_throw);
  buffer_.commit(read);
  if (error && !timed_out_) left_ = true;
  co_return !error;
}

awaitable<void> Connection::send_continue() {
  static const std::string line = "HTTP/1.1 100 Continue\r\n\r\n";
  static const std::string nothing;
  co_await write(line, nothing);
  start_deadline(state_.options.body_timeout);
}

void Connection::handle(const std::shared_ptr<HttpRequest>& request) {
  gone_ = std::stop_source();
  request->gone = gone_.get_token();
  answered_ = false;
  ++state_.requests_in_progress;
  deadline_ = Clock::time_point::max();
  const auto responder = std::make_shared<Responder>(weak_from_this(), thread_);
  try {
    state_.handler(request, [responder](HttpResponse response) { responder->respond(std::move(response)); });
  } catch (const std::exception& error) {
    responder->respond(state_.refuse(500, error.what(), *request));
  }
}

void Connection::answer(std::optional<HttpResponse> response) {
  if (answered_) return;
  answered_ = true;
  response_ = std::move(response);
  --state_.requests_in_progress;
  wake();
}

/// Meanwhile the client is watched: one that leaves stops `gone_`.
awaitable<void> Connection::wait_for_answer() {
  if (left_) client_left();
  if (answered_) co_return;
  asio::steady_timer timer(socket_.get_executor(), Clock::time_point::max());
  waiting_ = &timer;
  watch_client();
  while (!answered_) co_await timer.async_wait(no_throw);
  if (watching_) stop_watching_.emit(asio::cancellation_type::terminal);
  while (watching_) co_await timer.async_wait(no_throw);
  waiting_ = nullptr;
}

/// Reads what the client sends early (pipelining), as only reading shows that it left. Stops where a header's worth of
/// bytes has come: such a client is noticed when it is written to.
void Connection::watch_client() {
  if (left_ || buffer_.size() >= state_.options.header_limit) return;
  watching_ = true;
  const auto take = [self = shared_from_this()](const error_code& error, std::size_t read) {
    self->watching_ = false;
    self->buffer_.commit(read);
    if (error && error != asio::error::operation_aborted) {
      self->left_ = true;
      self->client_left();
    } else if (!error && !self->answered_) {
      self->watch_client();
    }
    self->wake();
  };
  socket_.async_read_some(buffer_.prepare(first_read), asio::bind_cancellation_slot(stop_watching_.slot(), take));
}

void Connection::client_left() {
  if (answered_) return;
  ++state_.clients_gone;
  gone_.request_stop();
}

void Connection::wake() {
  if (waiting_ != nullptr) waiting_->cancel();
}

awaitable<void> Connection::write(const std::string& head, const std::string& body) {
  std::size_t sent = 0;
  while (sent < head.size() + body.size() && !broken_) {
    start_deadline(state_.options.write_timeout);
    const std::size_t of_body = sent - std::min(sent, head.size());
    const std::array<asio::const_buffer, 2> rest{asio::buffer(head) + sent, asio::buffer(body) + of_body};
    const auto [error, written] = co_await socket_.async_write_some(rest, no_throw);
    sent += written;
    if (error) {
      broken_ = true;
      if (timed_out_) ++state_.timed_out;
      error_code ignored;  // what lies in the kernel will not be taken either
      socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    }
  }
  deadline_ = Clock::time_point::max();
}

/// Closing with bytes unread would reset the connection, and the client could lose the response.
awaitable<void> Connection::linger() {
  error_code failed;
  socket_.shutdown(asio::socket_base::shutdown_send, failed);
  start_deadline(linger_timeout);
  bool more = !failed && !left_;
  while (more) {
    buffer_.clear();
    more = co_await read_more(body_read);
  }
}

void Connection::hold(std::size_t bytes) {
  state_.memory += bytes;
  state_.memory -= std::exchange(held_, bytes);
}

void Connection::start_deadline(Clock::duration timeout) {
  deadline_ = Clock::now() + timeout;
  timed_out_ = false;
}

void Connection::check_deadline(Clock::time_point now) {
  if (now < deadline_) return;
  timed_out_ = true;
  error_code ignored;
  socket_.cancel(ignored);
}

void Connection::begin_drain() {
  if (idle_) start_deadline(drain_grace);
}

void Connection::cut_off() {
  broken_ = true;
  gone_.request_stop();
  error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
  answer(std::nullopt);
}

}  // namespace treble::server
