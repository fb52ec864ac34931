// The counters behind QueueStatistics.
#pragma once

#include "treble/request_queue.h"

namespace treble::internal {

/// All zero, with the buckets of a queue: batches by powers of two, times from a millisecond to half a minute.
QueueStatistics make_queue_statistics();

void observe(Histogram& histogram, double value);

/// Counts how a request was answered.
void count_answer(QueueStatistics& statistics, const Answer& answer);

}  // namespace treble::internal
