#include "http/request_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/optional.hpp>
#include <cctype>
#include <utility>

namespace treble::server {

namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

/// A body that grows with the bytes that came. Beast's string_body would reserve what Content-Length claims.
struct GrowingBody {
  using value_type = std::string;

  class reader {
   public:
    template <bool is_request, class Fields>
    reader(http::header<is_request, Fields>& /*header*/, value_type& body) : body_(body) {}

    void init(const boost::optional<std::uint64_t>& /*length*/, error_code& error) { error = {}; }

    template <class Buffers>
    std::size_t put(const Buffers& buffers, error_code& error) {
      error = {};
      std::size_t size = 0;
      for (const boost::asio::const_buffer part : boost::beast::buffers_range_ref(buffers)) {
        body_.append(static_cast<const char*>(part.data()), part.size());
        size += part.size();
      }
      return size;
    }

    void finish(error_code& error) { error = {}; }

   private:
    value_type& body_;
  };
};

std::string_view std_view(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return lower;
}

/// Of "/embed?x=1" or "http://host/embed?x=1" what a route is chosen by.
std::string_view without_authority(std::string_view target) {
  if (target.starts_with('/')) return target;
  const auto scheme = target.find("://");
  if (scheme == std::string_view::npos) return target;
  const auto path = target.find_first_of("/?", scheme + 3);
  return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
}

/// A request line that is one, but for its version: "PRI * HTTP/2.0".
bool names_http_version(std::string_view line) {
  const auto version = line.rfind(" HTTP/");
  return version != std::string_view::npos && version + 6 < line.size() && std::isdigit(line[version + 6]) != 0;
}

}  // namespace

struct RequestParser::Impl {
  http::request_parser<GrowingBody> parser;
};

RequestParser::RequestParser(std::uint32_t header_limit, std::uint64_t payload_limit)
    : header_limit_(header_limit), payload_limit_(payload_limit), impl_(std::make_unique<Impl>()) {
  // Beast compares with what a call is given, which need not be the whole header; here every byte counts.
  impl_->parser.header_limit(header_limit + 1);
  impl_->parser.body_limit(payload_limit);
}

RequestParser::~RequestParser() = default;

std::size_t RequestParser::parse(std::string_view bytes) {
  std::size_t taken = 0;
  if (state_ == State::header && header_bytes_ == 0) {
    // An empty line before a request is allowed: some clients end a body with one.
    taken = std::min(bytes.find_first_not_of("\r\n"), bytes.size());
    bytes.remove_prefix(taken);
    if (!bytes.empty() && std::isupper(static_cast<unsigned char>(bytes[0])) == 0) {
      refuse(400, "this is no HTTP request: it does not begin with a method. TLS ends at a reverse proxy");
    }
  }
  if (bytes.empty() || state_ == State::refused) return taken;
  return taken + (state_ == State::header ? parse_header(bytes) : parse_body(bytes));
}

std::size_t RequestParser::parse_header(std::string_view bytes) {
  auto& parser = impl_->parser;
  error_code error;
  const std::size_t taken = parser.put(boost::asio::buffer(bytes), error);
  header_bytes_ += taken;
  const auto rest = bytes.substr(taken);
  const bool complete = parser.is_header_done();
  if (header_bytes_ + (complete ? 0 : rest.size()) > header_limit_ || error == http::error::header_limit) {
    refuse_long_header(rest);
  } else if (error == http::error::body_limit) {
    refuse(413,
           fmt::format("the body is longer than the limit of {} bytes: send fewer texts in a request, or start the "
                       "server with a larger --payload-limit",
                       payload_limit_));
  } else if (error && error != http::error::need_more) {
    refuse_header(rest, error == http::error::bad_version);
  } else if (complete) {
    parser.eager(true);
    state_ = parser.is_done() ? State::complete : State::body;
    check_header();
  }
  return taken;
}

void RequestParser::refuse_long_header(std::string_view rest) {
  const bool in_request_line = header_bytes_ == 0 && rest.find('\n') == std::string_view::npos;
  if (in_request_line) {
    refuse(414, fmt::format("the request line is longer than the {} bytes that it may have with the headers",
                            header_limit_));
  } else {
    refuse(431, fmt::format("request line and headers are longer than the limit of {} bytes", header_limit_));
  }
}

void RequestParser::refuse_header(std::string_view rest, bool bad_version) {
  if (header_bytes_ != 0) {
    const auto line = rest.substr(0, std::min<std::size_t>(rest.find_first_of("\r\n:"), 60));
    const bool printable = std::ranges::all_of(line, [](char c) { return c > ' ' && c <= '~'; });
    refuse(400, printable && !line.empty() ? fmt::format("the header \"{}\" is malformed", line)
                                           : std::string("a header is malformed"));
  } else if (bad_version && names_http_version(rest.substr(0, rest.find_first_of("\r\n")))) {
    refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  } else {
    refuse(400, "the request line is malformed");
  }
}

void RequestParser::check_header() {
  const auto& message = impl_->parser.get();
  const auto hosts = message.count(http::field::host);
  const auto encoding = std_view(message[http::field::transfer_encoding]);
  const auto expect = std_view(message[http::field::expect]);
  if (hosts > 1 || (hosts == 0 && message.version() >= 11)) {
    // RFC 9112, section 3.2.
    refuse(400, fmt::format("a request of HTTP/1.1 has one Host header, this one has {}", hosts));
  } else if (message.count(http::field::transfer_encoding) != 0 && message.version() < 11) {
    refuse(400, "HTTP/1.0 knows no Transfer-Encoding");
  } else if (message.count(http::field::transfer_encoding) > 1 ||
             (message.count(http::field::transfer_encoding) == 1 && !boost::beast::iequals(encoding, "chunked"))) {
    refuse(501, "of transfer encodings only \"chunked\" is supported");
  } else if (!expect.empty() && !boost::beast::iequals(expect, "100-continue")) {
    refuse(417, "of expectations only \"100-continue\" is supported");
  }
}

std::size_t RequestParser::parse_body(std::string_view bytes) {
  auto& parser = impl_->parser;
  error_code error;
  const std::size_t taken = parser.put(boost::asio::buffer(bytes), error);
  if (error == http::error::body_limit) {
    refuse(413,
           fmt::format("the body is longer than the limit of {} bytes: send fewer texts in a request, or start the "
                       "server with a larger --payload-limit",
                       payload_limit_));
  } else if (error && error != http::error::need_more) {
    refuse(400, fmt::format("the chunked body is malformed ({})", error.message()));
  } else if (parser.is_done()) {
    state_ = State::complete;
  } else if (bytes.size() - taken > header_limit_) {
    refuse(400, fmt::format("a line or the trailer of the chunked body is longer than {} bytes", header_limit_));
  }
  return taken;
}

void RequestParser::refuse(int status, std::string message) {
  state_ = State::refused;
  refusal_status_ = status;
  refusal_ = std::move(message);
}

bool RequestParser::expects_continue() const noexcept {
  const auto& message = impl_->parser.get();
  return message.version() >= 11 && message.count(http::field::expect) != 0;
}

bool RequestParser::keep_alive() const noexcept { return state_ != State::refused && impl_->parser.get().keep_alive(); }

bool RequestParser::http_1_0() const noexcept { return impl_->parser.get().version() == 10; }

std::size_t RequestParser::body_size() const noexcept { return impl_->parser.get().body().size(); }

HttpRequest RequestParser::take_request() {
  auto& message = impl_->parser.get();
  HttpRequest request;
  request.method = std_view(message.method_string());
  const auto target = without_authority(std_view(message.target()));
  const auto question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    request.headers.emplace_back(lower_case(std_view(field.name_string())), std::string(std_view(field.value())));
  }
  request.body = std::move(message.body());
  return request;
}

}  // namespace treble::server
