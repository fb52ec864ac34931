#include "operations/operations.h"

#include <unistd.h>

#include <utility>

#include "operations/trace_context.h"

namespace treble::server {

Operations::Operations(const OperationsOptions& options, const MetricsLabels& labels)
    : log_(options.log, STDERR_FILENO), metrics_(labels) {
  metrics_.add_source([this] { return log_.samples(); });
  if (!options.tracing) return;
  tracer_ = std::make_unique<Tracer>(*options.tracing, [this](bool works, const std::string& message) {
    log_.write(works ? LogLevel::info : LogLevel::warn, works ? message : "traces cannot be sent",
               works ? AccessLog::Fields() : AccessLog::Fields{{"error", message}});
  });
  metrics_.add_source([this] { return tracer_->samples(); });
}

void Operations::observe(RequestRecord record) {
  const auto context = parse_traceparent(record.traceparent);
  record.trace_id = context ? context->trace_id : tracer_ ? random_hex(32) : std::string();
  log_.observe(record);
  metrics_.observe(record);
  if (tracer_) tracer_->observe(record);
}

}  // namespace treble::server
