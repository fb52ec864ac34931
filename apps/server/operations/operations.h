// Everything that watches the server: one call for each answered request, and what is asked of models and connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operations/access_log.h"
#include "operations/health.h"
#include "operations/memory_trimmer.h"
#include "operations/metrics.h"
#include "operations/request_record.h"
#include "operations/tracing.h"

namespace treble::server {

struct OperationsOptions {
  AccessLogOptions log = {};
  std::optional<TracerOptions> tracing = {};  ///< unset: no traces are sent
  SelfTestOptions self_test = {};
};

/// A model that is served; encoder and queue must outlive the Operations that watch them.
struct WatchedModel {
  std::string name;  ///< as served
  const SentenceEncoder* encoder = nullptr;
  RequestQueue* queue = nullptr;
  EncodeOptions options = {};  ///< that it is served with by default
};

/// Log, metrics, traces and self-tests of one server. Queues must be drained before it is destroyed. Threads: all
/// functions may be called from any thread.
class Operations {
 public:
  /// Logs to stderr and tests each model. Throws Error{internal} naming a model that fails, and what Tracer's
  /// constructor throws. MetricsLabels::models are taken from `models`.
  Operations(const OperationsOptions& options, MetricsLabels labels, const std::vector<WatchedModel>& models);

  /// Logs, counts and traces an answered request. A request without a valid traceparent begins a trace where traces are
  /// sent; its id is logged.
  void observe(RequestRecord record);

  /// For GET /health: as SelfTest::check.
  void check_health(SelfTest::Callback callback) { self_test_.check(std::move(callback)); }

  AccessLog& log() noexcept { return log_; }
  Metrics& metrics() noexcept { return metrics_; }

 private:
  AccessLog log_;
  std::unique_ptr<Tracer> tracer_;  ///< null: no traces are sent
  SelfTest self_test_;
  std::atomic<std::uint64_t> requests_ = 0;
  MemoryTrimmer trimmer_;
  Metrics metrics_;
};

}  // namespace treble::server
