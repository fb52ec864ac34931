// The HTTP request parser: any bytes are the same request, or none, however they are cut into pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>

#include "http/request_parser.h"

namespace {

using treble::server::HttpRequest;
using treble::server::RequestParser;
using State = RequestParser::State;

constexpr std::uint32_t header_limit = 100'000;  // beyond any input: where a limit strikes depends on the pieces
constexpr std::uint64_t payload_limit = 1000;

/// As a connection does it: what is not taken comes again with what follows it.
std::size_t feed(RequestParser& parser, std::string_view bytes, std::size_t piece) {
  std::size_t taken = 0;
  std::size_t there = 0;
  while (there < bytes.size()) {
    there = piece == 0 ? bytes.size() : std::min(bytes.size(), there + piece);
    std::size_t more = 1;
    while (more != 0 && parser.state() != State::complete && parser.state() != State::refused) {
      more = parser.parse(bytes.substr(taken, there - taken));
      taken += more;
      if (taken > there) std::abort();
    }
  }
  return taken;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  RequestParser whole(header_limit, payload_limit);
  RequestParser pieces(header_limit, payload_limit);
  const std::size_t taken = feed(whole, bytes, 0);
  const std::size_t taken_in_pieces = feed(pieces, bytes, 1U + data[0] % 64U);
  // In pieces, a refusal may wait for the end of the header.
  if ((whole.state() == State::complete) != (pieces.state() == State::complete)) std::abort();
  if (whole.state() != State::complete) return 0;
  if (taken != taken_in_pieces || whole.keep_alive() != pieces.keep_alive()) std::abort();
  const HttpRequest a = whole.take_request();
  const HttpRequest b = pieces.take_request();
  if (std::tie(a.method, a.path, a.query, a.headers, a.body) !=
      std::tie(b.method, b.path, b.query, b.headers, b.body)) {
    std::abort();
  }
  if (a.body.size() > payload_limit) std::abort();
  return 0;
}
