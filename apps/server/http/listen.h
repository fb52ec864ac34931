// Sockets that are listened on.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "http/http_server.h"

namespace treble::server {

using StreamProtocol = boost::asio::generic::stream_protocol;
using StreamSocket = StreamProtocol::socket;
using StreamAcceptor = boost::asio::basic_socket_acceptor<StreamProtocol>;

struct Listening {
  std::vector<StreamAcceptor> acceptors;
  std::uint16_t port = 0;  ///< 0: a Unix socket
  std::string address;     ///< "http://127.0.0.1:3000", "unix:/run/treble.sock"
};

/// Throws Error{io} or Error{invalid_argument} naming the address.
Listening listen(boost::asio::io_context& context, const HttpOptions& options);

/// "192.0.2.1:5000", "[2001:db8::1]:5000" or "unix".
std::string peer_name(const StreamProtocol::endpoint& peer);

/// Raises the soft limit of open files for `connections` more than are open now, as far as the hard limit allows, and
/// returns for how many connections there is room.
int raise_open_file_limit(int connections);

}  // namespace treble::server
