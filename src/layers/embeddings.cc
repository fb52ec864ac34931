#include "layers/embeddings.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/fail_about.h"
#include "tensor/widen.h"

namespace treble::internal {

const AlignedBuffer<float>& EmbeddingLayer::positions_for(std::int64_t length) const {
  const auto needed = static_cast<std::size_t>(length * parts_.word_embeddings.cols());
  return needed <= parts_.short_positions.size() ? parts_.short_positions : parts_.positions;
}

void EmbeddingLayer::add_position(std::int32_t id, const float*& next_position, std::span<float> row) const {
  if (parts_.positions.size() == 0) {
    if (!parts_.constant.empty()) add_row(parts_.constant, row);
  } else if (parts_.padding_idx == id) {
    add_row(parts_.padding_row, row);
  } else {
    add_row({next_position, row.size()}, row);
    next_position += row.size();
  }
}

/// Of models without token types, what the tokenizer says of them has no effect.
void EmbeddingLayer::add_type(std::uint8_t type, std::int64_t text, std::span<float> row) const {
  if (type == 0 || parts_.num_token_types == 0) return;
  if (std::int64_t{type} >= parts_.num_token_types) {
    fail_text(
        text, ErrorCode::invalid_file,
        "the tokenizer gives a token of it the type {}, but the model has {} token types: the tokenizer is another "
        "model's, or config.json's type_vocab_size is; fetch both again",
        type, parts_.num_token_types);
  }
  add_row({parts_.further_types.data() + (type - std::size_t{1}) * row.size(), row.size()}, row);
}

void EmbeddingLayer::read_word(std::int32_t id, std::int64_t text, std::span<float> row) const {
  const auto& placeholders = parts_.placeholders.ids;
  if (std::find(placeholders.begin(), placeholders.end(), id) != placeholders.end()) id = parts_.placeholders.read_as;
  const std::int64_t tokens = parts_.row_of.empty() ? parts_.word_embeddings.rows() : std::ssize(parts_.row_of);
  if (id < 0 || id >= tokens) {
    fail_text(text, ErrorCode::invalid_file,
              "tokenizer.json gave it the token id {}, but {} has {} rows: the tokenizer is another model's, or the "
              "weights are; fetch both again",
              id, parts_.word_embeddings_source, tokens);
  }
  const std::int64_t index = parts_.row_of.empty() ? id : parts_.row_of[static_cast<std::size_t>(id)];
  parts_.word_embeddings.read(index, row);
  if (!has_no_nan_or_infinity(row)) {
    fail_text(text, ErrorCode::invalid_file,
              "{}: row {}, which it needs, has a NaN or infinity; the weights are damaged",
              parts_.word_embeddings_source, index);
  }
}

float EmbeddingLayer::scale_of(std::int32_t id) const noexcept {
  return parts_.token_scales.empty() ? parts_.scale : parts_.scale * parts_.token_scales[static_cast<std::size_t>(id)];
}

/// Tokens that take a position.
std::int64_t EmbeddingLayer::num_counted(std::span<const std::int32_t> ids) const {
  const auto padding = parts_.padding_idx ? std::count(ids.begin(), ids.end(), *parts_.padding_idx) : 0;
  return std::ssize(ids) - padding;
}

void EmbeddingLayer::embed_sequence(const PackedBatch& batch, std::int64_t sequence, MatrixView out) const {
  const auto s = static_cast<std::size_t>(sequence);
  if (const std::int64_t counted = num_counted(std::span(batch.ids).subspan(
          static_cast<std::size_t>(batch.offsets[s]), static_cast<std::size_t>(batch.length(sequence))));
      counted > parts_.max_tokens) {
    fail_text(batch.text_index[s], ErrorCode::invalid_argument, "{} tokens, the model has positions for {}", counted,
              parts_.max_tokens);
  }
  const float* next_position = positions_for(batch.length(sequence)).data();
  for (std::int64_t token = batch.offsets[s]; token < batch.offsets[s + 1]; ++token) {
    const std::int32_t id = batch.ids[static_cast<std::size_t>(token)];
    const auto row = out.row_span(token);
    read_word(id, batch.text_index[s], row);
    if (const float scale = scale_of(id); scale != 1.0F) {
      for (float& value : row) value *= scale;
    }
    add_position(id, next_position, row);
    if (!batch.token_types.empty()) {
      add_type(batch.token_types[static_cast<std::size_t>(token)], batch.text_index[s], row);
    }
  }
}

void EmbeddingLayer::embed(const PackedBatch& batch, MatrixView out) const {
  for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) embed_sequence(batch, sequence, out);
}

void EmbeddingLayer::run(const LayerCall& call, MatrixView hidden) const {
  const std::int64_t width = parts_.word_embeddings.cols();
  MatrixView target = hidden;
  if (parts_.projection) {
    target = {call.workspace.embedded.ensure(static_cast<std::size_t>(hidden.rows * width)), hidden.rows, width};
  }
  embed(call.batch, target);
  if (parts_.norm) parts_.norm.run(call.execution, target, target);
  if (parts_.projection) parts_.projection->run(call.execution, target, hidden);
}

AlignedBuffer<float> plan_rows(ConstMatrixView table, std::int64_t offset, const PositionPlan& plan) {
  AlignedBuffer<float> rows(static_cast<std::size_t>(plan.size() * table.cols));
  float* next = rows.data();
  for (std::int64_t p = 0; p < plan.size(); ++p) {
    const double position = plan[p];
    const auto below = static_cast<std::int64_t>(position);
    const auto part = static_cast<float>(position - std::floor(position));
    const float* low = table.row(offset + below);
    const float* high = table.row(std::min(offset + below + 1, table.rows - 1));
    for (std::int64_t col = 0; col < table.cols; ++col) {
      *next++ = part == 0 ? low[col] : low[col] + part * (high[col] - low[col]);
    }
  }
  return rows;
}

}  // namespace treble::internal
