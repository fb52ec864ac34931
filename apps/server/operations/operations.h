// Everything that watches the server, behind one call for each answered request.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "operations/access_log.h"
#include "operations/memory_trimmer.h"
#include "operations/metrics.h"
#include "operations/request_record.h"
#include "operations/tracing.h"

namespace treble::server {

struct OperationsOptions {
  AccessLogOptions log = {};
  std::optional<TracerOptions> tracing = {};  ///< unset: no traces are sent
};

/// Log, metrics and traces of one server, and free memory given back when it is idle. Metrics of queues, connections
/// and self-tests are sources that the server adds. Threads: all functions may be called from any thread.
class Operations {
 public:
  /// Logs to stderr. Throws what Tracer's constructor throws.
  Operations(const OperationsOptions& options, const MetricsLabels& labels);

  /// Logs, counts and traces an answered request. A request without a valid traceparent begins a trace where traces are
  /// sent; its id is logged.
  void observe(RequestRecord record);

  AccessLog& log() noexcept { return log_; }
  Metrics& metrics() noexcept { return metrics_; }

 private:
  AccessLog log_;
  std::unique_ptr<Tracer> tracer_;  ///< null: no traces are sent
  std::atomic<std::uint64_t> requests_ = 0;
  MemoryTrimmer trimmer_;
  Metrics metrics_;
};

}  // namespace treble::server
