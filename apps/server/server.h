// The whole server: models, API and HTTP, from its options to its end.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "api/api.h"
#include "http/http_server.h"
#include "operations/operations.h"
#include "serving/served_model.h"

namespace treble::server {

struct ServerOptions {
  std::vector<ServedModelOptions> models = {};
  ApiOptions api = {};
  HttpOptions http = {};
  OperationsOptions operations = {};
  std::chrono::milliseconds drain_limit{30'000};  ///< for accepted requests, when the server is to stop
};

/// Loads the models, tests each, listens, and serves until `stop`; then answers what was accepted and returns.
/// `ready` is called with the address once requests are taken. Throws what loading and listening throw.
void run_server(const ServerOptions& options, const std::stop_token& stop,
                const std::function<void(const std::string& address)>& ready);

}  // namespace treble::server
