// Rows of a position-wise sublayer a few at a time, so that its wide intermediate ones stay close to the core.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/linear.h"
#include "layers/layer_call.h"
#include "tensor/aligned_buffer.h"

namespace treble::internal {

/// Calls f(execution, begin, end, buffer) until all `rows` are done: in one go where `linear`, the sublayer's first,
/// splits its outputs among the threads, else in chunks of rows, each on one thread. The buffer is that thread's.
template <typename Function>
void for_row_chunks(const LayerCall& call, const Linear& linear, std::int64_t rows, const Function& f) {
  /// A thread gets at least that many rows.
  constexpr std::int64_t kMinRowsPerThread = 8;
  auto& buffers = call.workspace.intermediate;
  buffers.resize(std::max(buffers.size(), static_cast<std::size_t>(call.execution.threads())));
  if (Linear::splits_outputs(call.execution, rows)) {
    f(call.execution, 0, rows, buffers.front());
    return;
  }
  const std::int64_t chunk = linear.typical_rows();
  call.execution.for_ranges(rows, kMinRowsPerThread, [&](std::int64_t begin, std::int64_t end, int worker) {
    const Execution own = call.execution.on_thread(worker);
    for (std::int64_t first = begin; first < end; first += chunk) {
      f(own, first, std::min(end, first + chunk), buffers[static_cast<std::size_t>(worker)]);
    }
  });
}

}  // namespace treble::internal
