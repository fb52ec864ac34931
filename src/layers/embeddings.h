// From token ids to the first hidden states.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/linear.h"
#include "layers/layer_call.h"
#include "layers/norm.h"
#include "layers/position_plan.h"
#include "tensor/aligned_buffer.h"
#include "tensor/stored_rows.h"
#include "tensor/view.h"

namespace treble::internal {

/// Token ids that stand for something else than text (an image), and are read as another token where there is none.
struct PlaceholderTokens {
  std::vector<std::int32_t> ids = {};
  std::int32_t read_as = 0;
};

/// projection(norm(scale · word embedding + position + token type)), all but the word embedding being optional.
class EmbeddingLayer {
 public:
  struct Parts {
    /// [vocab, embedding size]; may lie in a mapped weight file that outlives the layer. Rows are widened and checked
    /// when they are used, since reading all of a large table would take most of the time of loading.
    StoredRows word_embeddings;
    /// File and tensor of the word embeddings, for messages.
    std::string word_embeddings_source = {};
    float scale = 1;
    PlaceholderTokens placeholders = {};
    /// Of each token id, its row of the word embeddings; empty: the id itself.
    std::vector<std::int32_t> row_of = {};
    /// Of each token id, what its row is multiplied by; empty: 1.
    std::vector<float> token_scales = {};
    /// [max_tokens, embedding size], the position of a text's first token first, the token type's row already added;
    /// empty for models without learned positions.
    AlignedBuffer<float> positions;
    /// The same for texts of at most that many tokens, where an extension keeps their positions; empty: it does not.
    AlignedBuffer<float> short_positions = {};
    /// Maximum tokens of a text, those that are `padding_idx` not counted.
    std::int64_t max_tokens = 0;
    /// Added to every token where there are no positions (the token type's row); empty: nothing.
    std::vector<float> constant = {};
    /// [token types − 1, embedding size]: what the row of each further type has over that of type 0, which is in every
    /// position and in `constant`; empty: there is one type, or none.
    AlignedBuffer<float> further_types = {};
    std::int64_t num_token_types = 0;
    /// RoBERTa gives positions only to tokens that are not its padding token: a "<pad>" written in a text gets
    /// `padding_row` (the table's row `padding_idx`) and does not advance the position. Unset: every token advances it.
    std::optional<std::int32_t> padding_idx = {};
    std::vector<float> padding_row = {};
    Norm norm = {};
    /// embedding size → hidden, where these differ (ALBERT, ELECTRA).
    std::optional<Linear> projection = {};
  };

  explicit EmbeddingLayer(Parts parts) : parts_(std::move(parts)) {}

  /// hidden [total_tokens, hidden]. Throws Error{invalid_file} for a token that the table has no row for (the tokenizer
  /// is another model's) and for a row with a NaN or infinity, naming the text, the token and the table;
  /// Error{invalid_argument} for a text beyond the positions, naming both sizes.
  void run(const LayerCall& call, MatrixView hidden) const;

  /// The table of words: [vocab, embedding size].
  const StoredRows& words() const noexcept { return parts_.word_embeddings; }

 private:
  void embed(const PackedBatch& batch, MatrixView out) const;
  void embed_sequence(const PackedBatch& batch, std::int64_t sequence, MatrixView out) const;
  std::int64_t num_counted(std::span<const std::int32_t> ids) const;
  void read_word(std::int32_t id, std::int64_t text, std::span<float> row) const;
  float scale_of(std::int32_t id) const noexcept;
  const AlignedBuffer<float>& positions_for(std::int64_t length) const;
  void add_type(std::uint8_t type, std::int64_t text, std::span<float> row) const;
  void add_position(std::int32_t id, const float*& next_position, std::span<float> row) const;

  Parts parts_;
};

/// The rows of a learned table at the planned positions, the first at row `offset`: [plan.size(), cols]. A position
/// between two rows is interpolated linearly.
AlignedBuffer<float> plan_rows(ConstMatrixView table, std::int64_t offset, const PositionPlan& plan);

}  // namespace treble::internal
