#include "operations/operations.h"

#include <unistd.h>

#include <utility>

#include "operations/trace_context.h"

namespace treble::server {
namespace {

std::unique_ptr<Tracer> make_tracer(const OperationsOptions& options, AccessLog& log) {
  if (!options.tracing) return nullptr;
  return std::make_unique<Tracer>(*options.tracing, [&log](bool works, const std::string& message) {
    if (works) {
      log.write(LogLevel::info, message);
    } else {
      log.write(LogLevel::warn, "traces cannot be sent", {{"error", message}});
    }
  });
}

}  // namespace

Operations::Operations(const OperationsOptions& options, const MetricsLabels& labels)
    : log_(options.log, STDERR_FILENO),
      tracer_(make_tracer(options, log_)),
      trimmer_([this] { return requests_.load(); }),
      metrics_(labels) {
  metrics_.add_source([this] { return log_.samples(); });
  metrics_.add_source([this] { return trimmer_.samples(); });
  metrics_.add_source([this] { return tracer_ ? tracer_->samples() : trace_samples(0, 0); });
}

void Operations::observe(RequestRecord record) {
  const auto context = parse_traceparent(record.traceparent);
  if (context) {
    record.trace_id = context->trace_id;
  } else if (tracer_) {
    record.trace_id = random_hex(32);
  }
  ++requests_;
  log_.observe(record);
  metrics_.observe(record);
  if (tracer_) tracer_->observe(record);
}

}  // namespace treble::server
