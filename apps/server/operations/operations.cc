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

std::vector<HealthProbe> probes_of(const std::vector<WatchedModel>& models) {
  std::vector<HealthProbe> probes;
  for (const auto& model : models) {
    probes.push_back(make_health_probe(model.name, *model.encoder, *model.queue, model.options));
  }
  return probes;
}

MetricsLabels with_models(MetricsLabels labels, const std::vector<WatchedModel>& models) {
  labels.models.clear();
  for (const auto& model : models) labels.models.push_back(model.name);
  return labels;
}

}  // namespace

Operations::Operations(const OperationsOptions& options, MetricsLabels labels, const std::vector<WatchedModel>& models)
    : log_(options.log, STDERR_FILENO),
      tracer_(make_tracer(options, log_)),
      self_test_(probes_of(models), options.self_test),
      trimmer_([this] { return requests_.load(); }),
      metrics_(with_models(std::move(labels), models)) {
  for (const auto& model : models) {
    metrics_.add_source([name = model.name, queue = model.queue] { return queue_samples(name, queue->statistics()); });
  }
  metrics_.add_source([this] { return self_test_.samples(); });
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
