// The API on a tiny model, without HTTP: for tests and fuzzing.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/api.h"

namespace treble::server {

class TestApi {
 public:
  /// `folder` is the model's.
  explicit TestApi(const std::string& folder, const ApiOptions& options = {})
      : models_({{.name = "tiny", .model = {.model = folder, .threads = 1}, .queue = {.tokenizer_threads = 1}}}),
        operations_({.log = {.level = LogLevel::error}}, metrics_labels(models_)),
        health_(probes(models_)),
        api_(options, models_, health_, operations_) {}

  Api& api() noexcept { return api_; }

  /// The answer may be waited for; the request's `received` becomes now.
  std::future<HttpResponse> begin(HttpRequest request) {
    request.received = std::chrono::steady_clock::now();
    auto promise = std::make_shared<std::promise<HttpResponse>>();
    auto answer = promise->get_future();
    api_.handle(std::make_shared<const HttpRequest>(std::move(request)),
                [promise](HttpResponse response) { promise->set_value(std::move(response)); });
    return answer;
  }

  HttpResponse ask(HttpRequest request) { return begin(std::move(request)).get(); }

  HttpResponse get(const std::string& path, Headers headers = {}) {
    return ask({.method = "GET", .path = path, .headers = std::move(headers)});
  }

  HttpResponse post(const std::string& path, std::string body, Headers headers = {}) {
    return ask({.method = "POST", .path = path, .headers = std::move(headers), .body = std::move(body)});
  }

 private:
  static std::vector<HealthProbe> probes(const ModelRegistry& models) {
    std::vector<HealthProbe> result;
    for (const auto& model : models.all()) {
      result.push_back(make_health_probe(model->name(), model->encoder(), model->queue(), model->defaults()));
    }
    return result;
  }

  ModelRegistry models_;
  Operations operations_;
  SelfTest health_;
  Api api_;
};

}  // namespace treble::server
