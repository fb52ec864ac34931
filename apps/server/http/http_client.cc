#include "http/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <future>

#include "treble/error.h"

namespace treble::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

constexpr std::uint64_t kAnswerLimit = 1U << 20U;

using ClientRequest = beast::http::request<beast::http::string_body>;
using ClientParser = beast::http::response_parser<beast::http::string_body>;

asio::awaitable<void> exchange(const HttpUrl& url, const ClientRequest& request, ClientParser& parser) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  const auto addresses = co_await resolver.async_resolve(url.host, std::to_string(url.port), asio::use_awaitable);
  beast::tcp_stream stream(executor);
  co_await stream.async_connect(addresses, asio::use_awaitable);
  co_await beast::http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  co_await beast::http::async_read(stream, buffer, parser, asio::use_awaitable);
}

[[noreturn]] void refuse_url(std::string_view url, const char* reason) {
  throw Error(ErrorCode::invalid_argument, fmt::format("\"{}\" is not http://HOST[:PORT][/PATH]: {}", url, reason));
}

std::uint16_t parse_port(std::string_view url, std::string_view port) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number == 0) {
    refuse_url(url, "a port is a number from 1 to 65535");
  }
  return number;
}

}  // namespace

HttpUrl parse_http_url(std::string_view url) {
  if (url.starts_with("https://")) {
    throw Error(
        ErrorCode::unsupported,
        fmt::format("\"{}\": https is not spoken here; send to a collector on this machine, which forwards", url));
  }
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) refuse_url(url, "it does not begin with http://");
  const auto forbidden = [](unsigned char c) { return c <= 0x20 || c == 0x7f || c == '@' || c == '#'; };
  if (std::ranges::any_of(url, forbidden))
    refuse_url(url, "spaces, control characters, '@' and '#' have no place in it");
  const auto rest = url.substr(kScheme.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  auto host = rest.substr(0, slash);
  HttpUrl result;
  if (slash < rest.size()) result.path = rest.substr(slash);
  const bool bracket = host.starts_with('[');
  const auto host_end = bracket ? host.find(']') : host.find(':');
  if (bracket && host_end == std::string_view::npos) refuse_url(url, "']' is missing");
  const auto after =
      host_end == std::string_view::npos ? std::string_view() : host.substr(host_end + (bracket ? 1 : 0));
  if (!after.empty() && after.front() != ':') refuse_url(url, "after ']' comes ':' or '/'");
  if (!after.empty()) result.port = parse_port(url, after.substr(1));
  result.host = bracket ? host.substr(1, host_end - 1) : host.substr(0, host_end);
  if (result.host.empty()) refuse_url(url, "it has no host");
  return result;
}

HttpResponse post(const HttpUrl& url, const Headers& headers, const std::string& body,
                  std::chrono::milliseconds limit) {
  ClientRequest request(beast::http::verb::post, url.path, 11);
  const bool is_v6 = url.host.find(':') != std::string::npos;
  request.set(beast::http::field::host, fmt::format(fmt::runtime(is_v6 ? "[{}]:{}" : "{}:{}"), url.host, url.port));
  request.set(beast::http::field::connection, "close");
  for (const auto& [name, value] : headers) request.set(name, value);
  request.body() = body;
  request.prepare_payload();
  ClientParser parser;
  parser.body_limit(kAnswerLimit);
  asio::io_context context;
  auto done = asio::co_spawn(context, exchange(url, request, parser), asio::use_future);
  context.run_for(limit);
  if (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    throw Error(ErrorCode::deadline_exceeded,
                fmt::format("{}:{} did not answer within {} ms", url.host, url.port, limit.count()));
  }
  try {
    done.get();
  } catch (const boost::system::system_error& error) {
    throw Error(ErrorCode::io, fmt::format("{}:{}: {}", url.host, url.port, error.code().message()));
  }
  HttpResponse response = {static_cast<int>(parser.get().result_int()), parser.get()[beast::http::field::content_type]};
  for (const auto& field : parser.get()) response.headers.emplace_back(field.name_string(), field.value());
  response.body = std::move(parser.get().body());
  return response;
}

}  // namespace treble::server
