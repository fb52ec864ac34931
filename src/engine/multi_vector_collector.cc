#include "engine/multi_vector_collector.h"

#include <algorithm>
#include <cmath>

#include "tensor/aligned_buffer.h"

namespace treble::internal {

void MultiVectorCollector::take(const Execution& execution, const PackedBatch& batch, ConstMatrixView hidden) {
  std::vector<std::int64_t> rows;
  std::vector<std::size_t> ends;
  for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
    const auto scored = head_.scored_rows(batch, sequence, role_);
    rows.insert(rows.end(), scored.begin(), scored.end());
    ends.push_back(rows.size());
  }
  const auto count = std::ssize(rows);
  const auto dim = static_cast<std::size_t>(head_.chain().dim());
  AlignedBuffer<float> states;
  const MatrixView gathered(states.ensure(rows.size() * static_cast<std::size_t>(hidden.cols)), count, hidden.cols);
  for (std::int64_t row = 0; row < count; ++row) {
    std::copy_n(hidden.row(rows[static_cast<std::size_t>(row)]), hidden.cols, gathered.row(row));
  }
  std::vector<float> values(rows.size() * dim);
  head_.chain().run(execution, gathered, {values.data(), count, head_.chain().dim()});
  std::size_t begin = 0;
  for (std::size_t s = 0; s < ends.size(); ++s) {
    const std::span<const float> own(values.data() + begin * dim, (ends[s] - begin) * dim);
    if (!std::all_of(own.begin(), own.end(), [](float value) { return std::isfinite(value); })) {
      throw non_finite_vector(batch.text_index[s], batch.length(static_cast<std::int64_t>(s)), temperature_);
    }
    texts_[static_cast<std::size_t>(batch.text_index[s])].assign(own.begin(), own.end());
    begin = ends[s];
  }
}

MultiVectors MultiVectorCollector::finish() {
  MultiVectors result;
  result.count = std::ssize(texts_);
  result.dim = head_.chain().dim();
  std::size_t total = 0;
  for (const auto& text : texts_) total += text.size();
  result.values.reserve(total);
  for (std::vector<float>& text : texts_) {
    result.values.insert(result.values.end(), text.begin(), text.end());
    result.offsets.push_back(std::ssize(result.values) / result.dim);
    text = {};
  }
  return result;
}

}  // namespace treble::internal
