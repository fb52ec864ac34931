#include "server.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <utility>

#include "operations/health.h"

namespace treble::server {

namespace {

void wait_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, stop, [] { return false; });
}

SelfTest make_self_test(const ModelRegistry& models) {
  std::vector<HealthProbe> probes;
  for (const auto& model : models.all()) {
    probes.push_back(make_health_probe(model->name(), model->encoder(), model->queue(), model->defaults()));
  }
  return SelfTest(std::move(probes));
}

void add_sources(Metrics& metrics, const ModelRegistry& models, SelfTest& health) {
  for (const auto& model : models.all()) {
    metrics.add_source([&model = *model] { return queue_samples(model.name(), model.queue().statistics()); });
  }
  metrics.add_source([&health] { return health.samples(); });
}

}  // namespace

void run_server(const ServerOptions& options, const std::stop_token& stop,
                const std::function<void(const std::string& address)>& ready) {
  const ModelRegistry models(options.models);
  Operations operations(options.operations, metrics_labels(models));
  SelfTest health = make_self_test(models);
  add_sources(operations.metrics(), models, health);
  Api api(options.api, models, health, operations);
  HttpServer http(
      options.http,
      [&api](std::shared_ptr<const HttpRequest> request, Respond respond) {
        api.handle(std::move(request), std::move(respond));
      },
      [&api](int status, const std::string& message, const HttpRequest& request) {
        return api.refuse(status, message, request);
      });
  operations.metrics().add_source([&http] { return http_samples(http.statistics()); });
  for (const auto& model : models.all()) {
    operations.log().write(LogLevel::info, "serving",
                           {{"model", model->name()},
                            {"temperature", model->defaults().temperature.to_string()},
                            {"state", model->defaults().state.to_string()},
                            {"dtype", to_string(model->encoder().info().compute_dtype)},
                            {"threads", std::to_string(model->encoder().info().threads)}});
  }
  if (options.operations.log.json) {
    operations.log().write(LogLevel::info, "listening on " + http.address(), {{"address", http.address()}});
  }
  if (const int limit = http.connection_limit(); limit < options.http.max_connections) {
    operations.log().write(LogLevel::warn,
                           fmt::format("the limit of open files allows {} connections at once, not the {} of "
                                       "--max-connections; raise it (ulimit -n, LimitNOFILE)",
                                       limit, options.http.max_connections));
  }
  ready(http.address());
  wait_for(stop);
  operations.log().write(LogLevel::info, "stopping: accepted requests are answered, new ones refused");
  http.drain(options.drain_limit);
  for (const auto& model : models.all()) model->queue().drain();
}

}  // namespace treble::server
