#include "http/listen.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <utility>

#include "treble/error.h"

namespace treble::server {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

std::string host_and_port(const std::string& host, std::uint16_t port) {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

error_code listen_on(StreamAcceptor& acceptor, const StreamProtocol::endpoint& endpoint, bool only_ipv6) {
  error_code error;
  if (acceptor.open(endpoint.protocol(), error)) return error;
  if (acceptor.set_option(asio::socket_base::reuse_address(true), error)) return error;
  // An IPv6 socket takes IPv4 too unless there is another socket for that.
  if (endpoint.protocol().family() == AF_INET6 && acceptor.set_option(asio::ip::v6_only(only_ipv6), error))
    return error;
  if (acceptor.bind(endpoint, error)) return error;
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  return error;
}

std::vector<Tcp::endpoint> resolve(asio::io_context& context, const HttpOptions& options) {
  error_code error;
  Tcp::resolver resolver(context);
  const auto found = resolver.resolve(options.hostname, std::to_string(options.port), Tcp::resolver::passive, error);
  if (error) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("cannot listen on \"{}\": {}. Give an address of this machine, such as 127.0.0.1 or 0.0.0.0",
                    options.hostname, error.message()));
  }
  std::vector<Tcp::endpoint> endpoints;
  for (const auto& entry : found) {
    if (std::ranges::find(endpoints, entry.endpoint()) == endpoints.end()) endpoints.push_back(entry.endpoint());
  }
  return endpoints;
}

Listening listen_tcp(asio::io_context& context, const HttpOptions& options) {
  Listening listening{.acceptors = {}, .port = options.port, .address = {}};
  const auto endpoints = resolve(context, options);
  std::string failure;
  for (auto endpoint : endpoints) {
    endpoint.port(listening.port);
    StreamAcceptor acceptor(context);
    const auto error = listen_on(acceptor, endpoint, endpoints.size() > 1);
    // "localhost" stands for ::1 too where IPv6 is switched off.
    const bool no_such_family = error == asio::error::address_family_not_supported || error.value() == EADDRNOTAVAIL ||
                                error == asio::error::no_protocol_option;
    if (error) {
      failure = fmt::format("{}: {}", host_and_port(endpoint.address().to_string(), endpoint.port()), error.message());
      if (no_such_family) continue;
      throw Error(ErrorCode::io,
                  fmt::format("cannot listen on {}. Choose another --port or stop what listens there", failure));
    }
    Tcp::endpoint bound;
    const auto local = acceptor.local_endpoint();
    bound.resize(local.size());
    std::memcpy(bound.data(), local.data(), local.size());
    listening.port = bound.port();
    listening.acceptors.push_back(std::move(acceptor));
  }
  if (listening.acceptors.empty()) throw Error(ErrorCode::io, fmt::format("cannot listen on {}", failure));
  listening.address = "http://" + host_and_port(options.hostname, listening.port);
  return listening;
}

/// Removes a socket file that a process left which is no longer there.
void remove_stale_socket(asio::io_context& context, const std::filesystem::path& path) {
  std::error_code failure;
  const auto status = std::filesystem::symlink_status(path, failure);
  if (status.type() == std::filesystem::file_type::not_found) return;
  if (status.type() != std::filesystem::file_type::socket) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("cannot listen on {}: there is a file of that name that is no socket", path.string()),
                {.file = path});
  }
  error_code error;
  asio::local::stream_protocol::socket probe(context);
  probe.connect(asio::local::stream_protocol::endpoint(path.string()), error);
  if (error != asio::error::connection_refused) {
    throw Error(
        ErrorCode::io,
        fmt::format("cannot listen on {}: {}", path.string(), error ? error.message() : "a server listens there"),
        {.file = path});
  }
  std::filesystem::remove(path, failure);
}

Listening listen_unix(asio::io_context& context, const HttpOptions& options) {
  const auto path = options.uds_path.string();
  if (constexpr std::size_t limit = sizeof(sockaddr_un::sun_path) - 1; path.size() > limit) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("the path of a Unix socket has at most {} bytes, this one has {}: {}", limit, path.size(), path));
  }
  remove_stale_socket(context, options.uds_path);
  Listening listening{.acceptors = {}, .port = 0, .address = "unix:" + path};
  auto& acceptor = listening.acceptors.emplace_back(context);
  if (const auto error = listen_on(acceptor, asio::local::stream_protocol::endpoint(path), false)) {
    throw Error(ErrorCode::io, fmt::format("cannot listen on {}: {}", path, error.message()),
                {.file = options.uds_path});
  }
  return listening;
}

int open_files() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  return error ? 64 : static_cast<int>(std::distance(files, std::filesystem::directory_iterator()));
}

}  // namespace

Listening listen(asio::io_context& context, const HttpOptions& options) {
  return options.uds_path.empty() ? listen_tcp(context, options) : listen_unix(context, options);
}

std::string peer_name(const StreamProtocol::endpoint& peer) {
  const int family = peer.protocol().family();
  if (family != AF_INET && family != AF_INET6) return "unix";
  Tcp::endpoint endpoint;
  endpoint.resize(peer.size());
  std::memcpy(endpoint.data(), peer.data(), peer.size());
  return host_and_port(endpoint.address().to_string(), endpoint.port());
}

int raise_open_file_limit(int connections) {
  constexpr int spare = 64;  // for files and sockets that the process opens besides
  const int others = open_files() + spare;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return connections;
  const auto wanted = static_cast<rlim_t>(others) + static_cast<rlim_t>(connections);
  if (limit.rlim_cur < wanted) {
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = std::min(limit.rlim_max, wanted);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  }
  if (limit.rlim_cur >= wanted) return connections;
  return std::max(1, static_cast<int>(limit.rlim_cur) - others);
}

}  // namespace treble::server
