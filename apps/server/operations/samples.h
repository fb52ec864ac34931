// What is measured elsewhere, as values for one scrape: queues, connections, the process.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "http/http_server.h"
#include "treble/request_queue.h"

namespace treble::server {

enum class SampleKind { counter, gauge, histogram };

/// One value under a metric's name. Samples of one name have the same kind and help, and differ in their labels.
struct Sample {
  std::string name;  ///< as Prometheus asks: base units, counters end in _total
  std::string help;
  SampleKind kind = SampleKind::gauge;
  std::vector<std::pair<std::string, std::string>> labels = {};
  double value = 0;          ///< of a counter or gauge
  Histogram histogram = {};  ///< of a histogram
};

/// A model's queue: treble_queue_*, and te_queue_size, te_batch_next_size, te_batch_next_tokens, all with label
/// `model`.
std::vector<Sample> queue_samples(const std::string& model, const QueueStatistics& statistics);

/// Connections: treble_http_connections and others.
std::vector<Sample> http_samples(const HttpStatistics& statistics);

/// The process as Linux accounts for it: process_resident_memory_bytes, process_cpu_seconds_total and the other names
/// that Prometheus's clients share.
std::vector<Sample> process_samples();

}  // namespace treble::server
