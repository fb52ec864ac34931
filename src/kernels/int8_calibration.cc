#include "kernels/int8_calibration.h"

#include <algorithm>

#include "kernels/bfloat16_ops.h"
#include "kernels/compute_isa.h"
#include "kernels/hadamard.h"

namespace treble::internal {

WeightRounding& Int8Calibration::add(const LinearBackend* key, Layer& layer, const std::string& name, std::int64_t in,
                                     std::int64_t out) {
  auto rounding = std::make_unique<WeightRounding>(in, out, int8_range().weight_qmax);
  const std::scoped_lock lock(mutex_);
  return *layers_.insert_or_assign(key, Entry{&layer, name, std::move(rounding)}).first->second.rounding;
}

template <typename X>
void Int8Calibration::observe_rows(const LinearBackend& layer, const Execution& execution, BasicMatrixView<const X> x) {
  const auto found = layers_.find(&layer);
  if (found == layers_.end() || x.rows < 3) return;
  const BasicMatrixView<const X> inner = x.row_range(1, x.rows - 1);
  const MatrixView rotated(rotated_.ensure(static_cast<std::size_t>(inner.rows * inner.cols)), inner.rows, inner.cols);
  execution.for_ranges(inner.rows, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) hadamard_rotate(inner.row_span(row), rotated.row_span(row));
  });
  found->second.rounding->observe_inputs(execution, rotated, moments_scratch_);
}

void Int8Calibration::observe_inputs(const LinearBackend& layer, const Execution& execution, ConstMatrixView x) {
  observe_rows(layer, execution, x);
}

void Int8Calibration::observe_inputs(const LinearBackend& layer, const Execution& execution, ConstBfloat16View x) {
  observe_rows(layer, execution, x);
}

std::vector<Int8Layer> Int8Calibration::requantize(const Execution& execution) {
  std::vector<Entry*> entries;
  entries.reserve(layers_.size());
  for (auto& [key, entry] : layers_) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](const Entry* a, const Entry* b) { return a->name < b->name; });
  std::vector<Int8Layer> kept(keeps_layers_ ? entries.size() : 0);
  execution.for_each(static_cast<std::int64_t>(entries.size()), [&](std::int64_t index, int) {
    Entry& entry = *entries[static_cast<std::size_t>(index)];
    entry.layer->requantize(*entry.rounding);
    entry.rounding.reset();
    if (!keeps_layers_) return;
    Int8Layer& finished = kept[static_cast<std::size_t>(index)];
    finished = entry.layer->finished();
    finished.name = entry.name;
  });
  layers_.clear();
  return kept;
}

}  // namespace treble::internal
