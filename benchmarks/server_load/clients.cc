#include "clients.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cmath>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "process_usage.h"

namespace treble::load {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::awaitable;
using Clock = std::chrono::steady_clock;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Maximum over components of the one vector of an answer, in text-embeddings-inference's form or OpenAI's; infinite
/// where there is none. `normalize`: of the vector at length 1.
float difference_of(const std::string& body, const std::vector<float>& expected, bool normalize) {
  auto json = nlohmann::json::parse(body, nullptr, false);
  if (json.is_object() && json.contains("data")) json = std::move(json["data"]);
  if (!json.is_array() || json.size() != 1) return INFINITY;
  const auto& vector = json[0].is_object() ? json[0]["embedding"] : json[0];
  if (vector.size() != expected.size()) return INFINITY;
  const auto got = vector.get<std::vector<float>>();
  const float length = normalize ? std::sqrt(std::inner_product(got.begin(), got.end(), got.begin(), 0.0F)) : 1;
  float difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference = std::max(difference, std::abs(got[i] / length - expected[i]));
  }
  return difference;
}

/// One thread; the server's work is what is measured.
class Load {
 public:
  Load(const std::vector<LoadText>& texts, const LoadPlan& plan);
  LoadResult run();

 private:
  struct Client {
    explicit Client(asio::io_context& context) : stream(context) {}
    beast::tcp_stream stream;
    bool connected = false;
  };

  awaitable<void> keep_asking();
  awaitable<void> arrivals();
  awaitable<void> ask_once();
  awaitable<void> watch_server();
  awaitable<void> terminate_server();
  awaitable<bool> ask(Client& client);
  awaitable<bool> connect(Client& client);
  void lost(const boost::system::error_code& error);
  void leave(Client& client);
  void record(const LoadText& text, const http::response<http::string_body>& response, double seconds);
  bool running() const { return Clock::now() < end_ && !server_refuses_; }
  const LoadText& next_text();

  const std::vector<LoadText>& texts_;
  const LoadPlan& plan_;
  asio::io_context context_{1};
  std::vector<std::size_t> order_;
  std::size_t next_ = 0;
  std::mt19937 random_{7};
  Clock::time_point end_;
  bool terminated_ = false;
  bool server_refuses_ = false;
  std::vector<std::unique_ptr<Client>> idle_;  ///< connections between the requests of arrivals()
  LoadResult result_;
};

Load::Load(const std::vector<LoadText>& texts, const LoadPlan& plan)
    : texts_(texts), plan_(plan), order_(texts.size()) {
  std::iota(order_.begin(), order_.end(), std::size_t{0});
}

const LoadText& Load::next_text() {
  if (next_ % order_.size() == 0) std::shuffle(order_.begin(), order_.end(), random_);
  return texts_[order_[next_++ % order_.size()]];
}

LoadResult Load::run() {
  const auto start = Clock::now();
  end_ = start + plan_.duration;
  if (plan_.requests_per_second > 0) {
    asio::co_spawn(context_, arrivals(), asio::detached);
  } else {
    for (int i = 0; i < plan_.clients; ++i) asio::co_spawn(context_, keep_asking(), asio::detached);
  }
  if (plan_.server != 0) asio::co_spawn(context_, watch_server(), asio::detached);
  if (plan_.terminate_after.count() > 0) asio::co_spawn(context_, terminate_server(), asio::detached);
  context_.run();
  result_.wall_seconds = seconds_since(start);
  return std::move(result_);
}

awaitable<void> Load::keep_asking() {
  Client client(context_);
  while (running()) co_await ask(client);
}

awaitable<void> Load::arrivals() {
  asio::steady_timer timer(context_, Clock::now());
  std::exponential_distribution<double> gap(plan_.requests_per_second);
  while (running()) {
    timer.expires_at(timer.expiry() +
                     std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(gap(random_))));
    co_await timer.async_wait(no_throw);
    asio::co_spawn(context_, ask_once(), asio::detached);
  }
}

awaitable<void> Load::ask_once() {
  std::unique_ptr<Client> client;
  if (idle_.empty()) {
    client = std::make_unique<Client>(context_);
  } else {
    client = std::move(idle_.back());
    idle_.pop_back();
  }
  const bool answered = co_await ask(*client);
  if (answered) idle_.push_back(std::move(client));
}

awaitable<bool> Load::connect(Client& client) {
  client.stream.expires_after(plan_.patience);
  const asio::ip::tcp::endpoint server(asio::ip::address_v4::loopback(), plan_.port);
  const auto [error] = co_await client.stream.async_connect(server, no_throw);
  if (error) {
    ++result_.refused;
    server_refuses_ = terminated_;
    // A server that refuses must not be asked in a busy loop.
    asio::steady_timer pause(context_, std::chrono::milliseconds(100));
    co_await pause.async_wait(no_throw);
    co_return false;
  }
  client.stream.socket().set_option(asio::ip::tcp::no_delay(true));
  client.connected = true;
  co_return true;
}

/// True: the connection can be used again.
awaitable<bool> Load::ask(Client& client) {
  if (!client.connected) {
    const bool connected = co_await connect(client);
    if (!connected) co_return false;
  }
  const LoadText& text = next_text();
  http::request<http::string_body> request(http::verb::post, plan_.route, 11, text.body);
  request.set(http::field::host, "127.0.0.1");
  request.set(http::field::content_type, "application/json");
  request.prepare_payload();
  const auto start = Clock::now();
  client.stream.expires_after(plan_.patience);
  const auto [write_error, written] = co_await http::async_write(client.stream, request, no_throw);
  if (write_error) {
    ++result_.refused;
    leave(client);
    co_return false;
  }
  if (plan_.leave_share > 0 && std::bernoulli_distribution(plan_.leave_share)(random_)) {
    asio::steady_timer pause(context_, std::chrono::milliseconds(std::uniform_int_distribution<int>(0, 200)(random_)));
    co_await pause.async_wait(no_throw);
    ++result_.left;
    leave(client);
    co_return false;
  }
  beast::flat_buffer buffer;
  http::response<http::string_body> response;
  const auto [read_error, read] = co_await http::async_read(client.stream, buffer, response, no_throw);
  if (read_error) {
    lost(read_error);
    leave(client);
    co_return false;
  }
  record(text, response, seconds_since(start));
  if (!response.keep_alive()) leave(client);
  co_return client.connected;
}

void Load::lost(const boost::system::error_code& error) {
  if (error == beast::error::timeout) {
    ++result_.hangs;
  } else {
    ++result_.unanswered;
  }
}

void Load::leave(Client& client) {
  boost::system::error_code ignored;
  if (std::bernoulli_distribution(0.5)(random_)) {
    client.stream.socket().set_option(asio::socket_base::linger(true, 0), ignored);
  }
  client.stream.close();
  client.connected = false;
}

void Load::record(const LoadText& text, const http::response<http::string_body>& response, double seconds) {
  const int status = static_cast<int>(response.result_int());
  ++result_.statuses[status];
  if (status != 200) {
    result_.refusal_seconds.push_back(seconds);
    return;
  }
  result_.seconds.push_back(seconds);
  if (text.tokens <= plan_.short_tokens) result_.short_seconds.push_back(seconds);
  const float difference = difference_of(response.body(), text.expected, plan_.normalize);
  if (difference <= plan_.tolerance) {
    result_.difference = std::max(result_.difference, difference);
  } else {
    ++result_.wrong;
  }
}

awaitable<void> Load::watch_server() {
  asio::steady_timer timer(context_);
  auto next_minute = Clock::now();
  while (running()) {
    const std::int64_t rss = process_usage(plan_.server).rss;
    result_.peak_rss = std::max(result_.peak_rss, rss);
    if (Clock::now() >= next_minute) {
      result_.minutely_rss.push_back(rss);
      next_minute += std::chrono::minutes(1);
    }
    timer.expires_after(std::chrono::milliseconds(250));
    co_await timer.async_wait(no_throw);
  }
}

awaitable<void> Load::terminate_server() {
  asio::steady_timer timer(context_, plan_.terminate_after);
  co_await timer.async_wait(no_throw);
  terminated_ = true;
  ::kill(plan_.server, SIGTERM);
}

}  // namespace

LoadResult run_load(const std::vector<LoadText>& texts, const LoadPlan& plan) { return Load(texts, plan).run(); }

}  // namespace treble::load
