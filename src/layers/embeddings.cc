#include "layers/embeddings.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"

namespace treble {

EmbeddingLayer::EmbeddingLayer(Tables tables, LayerNorm norm) : tables_(std::move(tables)), norm_(std::move(norm)) {}

void EmbeddingLayer::embed_sequence(const PackedBatch& batch, std::int64_t sequence, MatrixView hidden) const {
  const auto s = static_cast<std::size_t>(sequence);
  const std::int64_t width = hidden.cols;
  std::int64_t next_position = tables_.position_offset;
  for (std::int64_t token = batch.offsets[s]; token < batch.offsets[s + 1]; ++token) {
    const std::int32_t id = batch.ids[static_cast<std::size_t>(token)];
    if (id < 0 || id >= tables_.words.rows) {
      fail(ErrorCode::invalid_argument, "text {}: token id {} is outside the model's vocabulary of {}",
           batch.text_index[s], id, tables_.words.rows);
    }
    const bool counted = tables_.uncounted_id != id;
    const std::int64_t position = counted ? next_position++ : tables_.position_offset - 1;
    if (position >= tables_.num_positions) {
      fail(ErrorCode::invalid_argument, "text {}: {} tokens, the model has positions for {}", batch.text_index[s],
           batch.length(sequence), tables_.num_positions - tables_.position_offset);
    }
    const auto target = hidden.row_span(token);
    std::copy_n(tables_.words.row(id), width, target.data());
    add_row({tables_.positions.data() + position * width, static_cast<std::size_t>(width)}, target);
  }
}

void EmbeddingLayer::run(const LayerCall& call, MatrixView hidden) const {
  for (std::int64_t sequence = 0; sequence < call.batch.num_sequences(); ++sequence) {
    embed_sequence(call.batch, sequence, hidden);
  }
  norm_.run(call.execution, hidden);
}

}  // namespace treble
