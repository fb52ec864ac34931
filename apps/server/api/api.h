// Requests in, answers out: keys, routes, models, limits. Knows nothing of sockets.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/call.h"
#include "api/route.h"
#include "http/http_message.h"
#include "operations/health.h"
#include "operations/operations.h"
#include "serving/served_model.h"
#include "serving/side_pool.h"
#include "treble/temperature.h"

namespace treble::server {

struct ApiOptions {
  std::vector<std::string> api_keys = {};           ///< any of them opens what is not open; empty: all is open
  bool auto_truncate = true;                        ///< cut inputs beyond the limit, unless a request says otherwise
  std::int64_t max_client_batch_size = 2048;        ///< inputs of a request
  std::int64_t max_concurrent_requests = 512;       ///< that are worked on at once; further ones get 429
  std::chrono::milliseconds request_timeout{0};     ///< a request's deadline unless it says otherwise; 0: none
  std::vector<std::string> cors_allow_origin = {};  ///< "*" or origins
  // For /info alone.
  std::int64_t max_batch_tokens = 0;  ///< of the queues; 0: chosen by treble
  int tokenization_workers = 0;       ///< of the queues; 0: chosen by treble
  std::uint64_t payload_limit = 0;    ///< bytes of a body
  /// Profiles that requests may name as "match:NAME".
  std::map<std::string, Temperature> profiles = {};
};

/// Threads: all functions may be called from any thread.
class Api {
 public:
  using Digest = std::array<unsigned char, 32>;  ///< SHA-256

  /// What is referred to must outlive the Api.
  Api(const ApiOptions& options, const ModelRegistry& models, SelfTest& health, Operations& operations);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  /// A Handler of HttpServer.
  void handle(std::shared_ptr<const HttpRequest> request, Respond respond);
  /// A Refuse of HttpServer.
  HttpResponse refuse(int status, const std::string& message, const HttpRequest& request);

  const ApiOptions& options() const noexcept { return options_; }
  const ModelRegistry& models() const noexcept { return models_; }
  SelfTest& health() noexcept { return health_; }
  Operations& operations() noexcept { return operations_; }
  /// For what takes seconds.
  SidePool& side_pool() noexcept { return side_pool_; }
  /// For what takes milliseconds, which is too long for an I/O thread.
  SidePool& quick_pool() noexcept { return quick_pool_; }

  /// The model that a body's `model` names; throws ApiError{model_not_found} naming those there are.
  ServedModel& model(const std::optional<std::string>& name) const;

  /// Holds a place among max_concurrent_requests; throws ApiError{overloaded} where there is none.
  class Place {
   public:
    explicit Place(Api& api);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    std::atomic<std::int64_t>& taken_;
  };

 private:
  void route(const std::shared_ptr<Call>& call);
  void run(const Route& route, const std::shared_ptr<Call>& call);
  void check_key(const HttpRequest& request) const;
  void finish(const HttpRequest& request, RequestRecord& record, HttpResponse& response);
  void add_cors(const HttpRequest& request, HttpResponse& response) const;

  const ApiOptions options_;
  std::vector<Digest> key_digests_;
  const ModelRegistry& models_;
  SelfTest& health_;
  Operations& operations_;
  std::atomic<std::int64_t> taken_ = 0;
  SidePool side_pool_;
  SidePool quick_pool_;
};

/// The labels that this API's requests have in metrics.
MetricsLabels metrics_labels(const ModelRegistry& models);

}  // namespace treble::server
