#include "http/http_server.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "http/connection.h"
#include "http/io_thread.h"
#include "http/listen.h"

namespace treble::server {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds full_pause{20};     ///< while there are as many connections as may be
constexpr std::chrono::milliseconds failure_pause{50};  ///< after accepting failed for want of files or memory

}  // namespace

struct HttpServer::Impl {
  std::shared_ptr<ServerState> state = std::make_shared<ServerState>();
  std::vector<std::shared_ptr<IoThread>> threads;
  Listening listening;
  std::mutex drain_mutex;
  bool drained = false;

  asio::awaitable<void> accept(StreamAcceptor& acceptor);
  void accept_waiting(StreamAcceptor& acceptor);
  void start_connection(StreamSocket socket, const StreamProtocol::endpoint& peer, std::shared_ptr<IoThread> thread);
  const std::shared_ptr<IoThread>& next_thread();
  void stop_listening();
  void wait_for_connections(std::chrono::steady_clock::time_point until);
  template <typename Function>
  void on_each_thread(Function function);
};

const std::shared_ptr<IoThread>& HttpServer::Impl::next_thread() {
  return threads[static_cast<std::size_t>(state->accepted.load()) % threads.size()];
}

asio::awaitable<void> HttpServer::Impl::accept(StreamAcceptor& acceptor) {
  asio::steady_timer pause(acceptor.get_executor());
  while (!state->draining) {
    if (state->connections >= state->connection_limit) {
      pause.expires_after(full_pause);
      co_await pause.async_wait(as_result);
      continue;
    }
    const std::shared_ptr<IoThread> thread = next_thread();
    StreamProtocol::endpoint peer;
    auto [error, socket] = co_await acceptor.async_accept(thread->context(), peer, as_result);
    if (!error) {
      start_connection(std::move(socket), peer, thread);
    } else if (error != asio::error::operation_aborted && error != asio::error::connection_aborted) {
      pause.expires_after(failure_pause);
      co_await pause.async_wait(as_result);
    }
  }
}

/// What the kernel has connected already would be reset when the listening socket is closed.
void HttpServer::Impl::accept_waiting(StreamAcceptor& acceptor) {
  error_code error;
  acceptor.non_blocking(true, error);
  while (!error && state->connections < state->connection_limit) {
    const auto& thread = next_thread();
    StreamProtocol::endpoint peer;
    StreamSocket socket(thread->context());
    acceptor.accept(socket, peer, error);
    if (!error) start_connection(std::move(socket), peer, thread);
  }
}

void HttpServer::Impl::start_connection(StreamSocket socket, const StreamProtocol::endpoint& peer,
                                        std::shared_ptr<IoThread> thread) {
  ++state->accepted;
  ++state->connections;
  error_code ignored;
  if (listening.port != 0) {
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
  }
  auto& context = thread->context();
  const auto connection = std::make_shared<Connection>(std::move(socket), peer_name(peer), std::move(thread));
  // An exception (out of memory) ends this connection and no other.
  asio::co_spawn(context, connection->serve(), [connection](const std::exception_ptr&) {});
}

void HttpServer::Impl::stop_listening() {
  for (auto& acceptor : listening.acceptors) {
    error_code ignored;
    acceptor.cancel(ignored);
    accept_waiting(acceptor);
    acceptor.close(ignored);
  }
  if (listening.port == 0) {
    std::error_code ignored;
    std::filesystem::remove(state->options.uds_path, ignored);
  }
}

template <typename Function>
void HttpServer::Impl::on_each_thread(Function function) {
  for (const auto& thread : threads) {
    std::promise<void> done;
    asio::post(thread->context(), [&] {
      function(*thread);
      done.set_value();
    });
    done.get_future().wait();
  }
}

void HttpServer::Impl::wait_for_connections(std::chrono::steady_clock::time_point until) {
  while (state->connections > 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

HttpServer::HttpServer(const HttpOptions& options, Handler handler, Refuse refuse) : impl_(std::make_unique<Impl>()) {
  auto& state = *impl_->state;
  state.options = options;
  state.handler = std::move(handler);
  state.refuse = std::move(refuse);
  state.connection_limit = raise_open_file_limit(options.max_connections);
  for (int i = 0; i < std::max(1, options.threads); ++i) {
    impl_->threads.push_back(std::make_shared<IoThread>(impl_->state));
  }
  auto& first = impl_->threads.front()->context();
  impl_->listening = listen(first, options);
  for (auto& acceptor : impl_->listening.acceptors) {
    asio::co_spawn(first, impl_->accept(acceptor), [](const std::exception_ptr&) {});
  }
  for (const auto& thread : impl_->threads) thread->start();
}

HttpServer::~HttpServer() { drain(std::chrono::milliseconds(0)); }

std::uint16_t HttpServer::port() const noexcept { return impl_->listening.port; }

std::string HttpServer::address() const { return impl_->listening.address; }

int HttpServer::connection_limit() const noexcept { return impl_->state->connection_limit; }

void HttpServer::drain(std::chrono::milliseconds limit) {
  const std::scoped_lock lock(impl_->drain_mutex);
  if (impl_->drained) return;
  const auto until = std::chrono::steady_clock::now() + limit;
  impl_->state->draining = true;
  std::promise<void> closed;
  asio::post(impl_->threads.front()->context(), [&] {
    impl_->stop_listening();
    closed.set_value();
  });
  closed.get_future().wait();
  impl_->on_each_thread([](IoThread& thread) { thread.begin_drain(); });
  impl_->wait_for_connections(until);
  impl_->on_each_thread([](IoThread& thread) { thread.cut_off(); });
  impl_->wait_for_connections(std::chrono::steady_clock::time_point::max());
  for (const auto& thread : impl_->threads) thread->stop();
  impl_->drained = true;
}

HttpStatistics HttpServer::statistics() const {
  const auto& state = *impl_->state;
  return {.connections = state.connections,
          .accepted = state.accepted,
          .timed_out = state.timed_out,
          .clients_gone = state.clients_gone,
          .requests_in_progress = state.requests_in_progress};
}

}  // namespace treble::server
