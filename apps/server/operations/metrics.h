// What Prometheus reads of a server: counts and times of requests, and what queues, connections and the process say.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "operations/request_record.h"
#include "operations/samples.h"

namespace treble::server {

struct MetricsRoute {
  std::string method;   ///< "POST"
  std::string pattern;  ///< as RequestRecord::route: "/embed"
};

/// The values that labels can have: every series is there, at zero, from the start, and none is added later.
struct MetricsLabels {
  std::vector<MetricsRoute> routes;
  std::vector<std::string> models;       ///< served names
  std::vector<std::string> error_types;  ///< as RequestRecord::error_type
};

/// Threads: all functions may be called from any thread.
class Metrics {
 public:
  /// Called at each scrape, on the thread of `text`; must be quick and must not throw.
  using Source = std::function<std::vector<Sample>()>;

  static constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";

  /// Samples of the process and treble_build_info are included.
  explicit Metrics(const MetricsLabels& labels);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// Counts an answered request. Methods, routes, models and error types that were not named are counted as "other"; a
  /// record without a model counts in the metrics of HTTP alone.
  void observe(const RequestRecord& record);

  /// Has `source` asked at every scrape from now on.
  void add_source(Source source);

  /// Everything in Prometheus's text format, version 0.0.4.
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble::server
