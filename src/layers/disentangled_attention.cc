#include "layers/disentangled_attention.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <span>

#include "tensor/aligned_buffer.h"

namespace treble::internal {

std::int64_t RelativePositions::row(std::int64_t distance) const {
  std::int64_t bucket = distance;
  const std::int64_t middle = buckets / 2;
  const std::int64_t magnitude = std::abs(distance);
  if (buckets > 0 && max_relative > 0 && magnitude > middle) {
    // In float32 step by step, as PyTorch computes it: at the edges of buckets the rounding decides.
    const float ratio = std::log(static_cast<float>(magnitude) / static_cast<float>(middle));
    const float full =
        std::log(static_cast<float>(static_cast<double>(max_relative - 1) / static_cast<double>(middle)));
    const auto steps = static_cast<std::int64_t>(std::ceil(ratio / full * static_cast<float>(middle - 1)));
    bucket = (steps + middle) * (distance > 0 ? 1 : -1);
  }
  return std::clamp<std::int64_t>(bucket + span, 0, 2 * span - 1);
}

namespace {

/// A head's columns of the position table as a layer: position scores of a query or key of that head.
std::vector<Linear> per_head(ConstMatrixView table, std::int64_t num_heads, std::int64_t head_dim) {
  std::vector<Linear> layers;
  if (table.rows == 0) return layers;
  for (std::int64_t head = 0; head < num_heads; ++head) {
    layers.emplace_back(table.col_range(head * head_dim, (head + 1) * head_dim), std::span<const float>{},
                        Linear::Options{});
  }
  return layers;
}

/// Scores [num_heads][total_tokens, 2 · span] of every token against every relative position.
class PositionScores {
 public:
  PositionScores(const Execution& execution, const std::vector<Linear>& heads, std::int64_t head_dim,
                 ConstMatrixView content)
      : rows_(content.rows) {
    if (heads.empty()) return;
    span2_ = heads.front().out_features();
    scores_.ensure(heads.size() * static_cast<std::size_t>(rows_ * span2_));
    AlignedBuffer<float> dense(static_cast<std::size_t>(rows_ * head_dim));
    for (std::size_t head = 0; head < heads.size(); ++head) {
      const auto first = static_cast<std::int64_t>(head) * head_dim;
      for (std::int64_t row = 0; row < rows_; ++row) {
        std::copy_n(content.row(row) + first, head_dim, dense.data() + row * head_dim);
      }
      float* target = scores_.data() + static_cast<std::int64_t>(head) * rows_ * span2_;
      heads[head].run(execution, ConstMatrixView(dense.data(), rows_, head_dim), MatrixView(target, rows_, span2_));
    }
  }

  float at(std::int64_t head, std::int64_t token, std::int64_t row) const {
    return span2_ == 0 ? 0.0F : scores_.data()[(head * rows_ + token) * span2_ + row];
  }

 private:
  AlignedBuffer<float> scores_;
  std::int64_t rows_;
  std::int64_t span2_ = 0;
};

class PreparedBias : public LogitBias {
 public:
  PreparedBias(const RelativePositions& positions, float scale, const PackedBatch& batch, PositionScores queries,
               PositionScores keys)
      : offsets_(batch.offsets), scale_(scale), queries_(std::move(queries)), keys_(std::move(keys)) {
    for (std::int64_t s = 0; s < batch.num_sequences(); ++s) max_length_ = std::max(max_length_, batch.length(s));
    for (std::int64_t d = 1 - max_length_; d < max_length_; ++d) rows_.push_back(positions.row(d));
  }

  void add(std::int64_t sequence, std::int64_t head, std::int64_t row, std::int64_t first_key, float scale,
           std::span<float> logits) const override {
    const std::int64_t begin = offsets_[static_cast<std::size_t>(sequence)];
    for (std::size_t j = 0; j < logits.size(); ++j) {
      const std::int64_t key = first_key + static_cast<std::int64_t>(j);
      const std::int64_t position = rows_[static_cast<std::size_t>(row - key + max_length_ - 1)];
      logits[j] += scale * scale_ * (queries_.at(head, begin + row, position) + keys_.at(head, begin + key, position));
    }
  }

 private:
  std::span<const std::int64_t> offsets_;
  float scale_;
  PositionScores queries_;
  PositionScores keys_;
  std::int64_t max_length_ = 0;
  std::vector<std::int64_t> rows_;  ///< by distance + max_length − 1
};

}  // namespace

DisentangledBias::DisentangledBias(const Parts& parts)
    : positions_(parts.positions),
      head_dim_(parts.head_dim),
      scale_(parts.scale),
      content_to_position_(per_head(parts.position_keys, parts.num_heads, parts.head_dim)),
      position_to_content_(per_head(parts.position_queries, parts.num_heads, parts.head_dim)) {}

std::unique_ptr<LogitBias> DisentangledBias::prepare(const Execution& execution, const PackedBatch& batch,
                                                     ConstMatrixView q, ConstMatrixView k) const {
  const Execution own = execution.on_thread(0);
  return std::make_unique<PreparedBias>(positions_, scale_, batch,
                                        PositionScores(own, content_to_position_, head_dim_, q),
                                        PositionScores(own, position_to_content_, head_dim_, k));
}

}  // namespace treble::internal
