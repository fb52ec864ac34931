#include "engine/queue_metrics.h"

#include <algorithm>
#include <cstddef>
#include <initializer_list>

namespace treble::internal {

namespace {

Histogram make_histogram(std::initializer_list<double> upper_bounds) {
  Histogram histogram;
  histogram.upper_bounds = upper_bounds;
  histogram.counts.resize(upper_bounds.size() + 1);
  return histogram;
}

}  // namespace

QueueStatistics make_queue_statistics() {
  QueueStatistics statistics;
  statistics.batch_tokens = make_histogram({16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192});
  statistics.batch_texts = make_histogram({1, 2, 4, 8, 16, 32, 64, 128, 256});
  statistics.wait_seconds =
      make_histogram({0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30});
  statistics.total_seconds = statistics.wait_seconds;
  return statistics;
}

void observe(Histogram& histogram, double value) {
  const auto& bounds = histogram.upper_bounds;
  const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
  ++histogram.counts[static_cast<std::size_t>(bucket)];
  ++histogram.count;
  histogram.sum += value;
}

void count_answer(QueueStatistics& statistics, const Answer& answer) {
  if (!answer.error) {
    ++statistics.completed;
    return;
  }
  switch (answer.error->code()) {
    case ErrorCode::cancelled: ++statistics.cancelled; break;
    case ErrorCode::deadline_exceeded: ++statistics.expired; break;
    case ErrorCode::unavailable: ++statistics.shut_down; break;
    default: ++statistics.failed;
  }
}

}  // namespace treble::internal
