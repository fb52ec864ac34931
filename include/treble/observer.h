// Looking into a forward pass: the attention of every layer and head, and the hidden states between layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/sentence_encoder.h"

namespace treble {

namespace internal {
struct AttentionSource;
}  // namespace internal

/// The attention of one layer on one text. Valid during the call that it is given to.
class AttentionView {
 public:
  /// Made by Treble alone.
  explicit AttentionView(const internal::AttentionSource& source) noexcept : source_(&source) {}

  /// Of the text, special tokens and prompt included.
  std::int64_t num_tokens() const noexcept { return num_tokens_of(*source_); }
  /// Query heads.
  std::int64_t num_heads() const noexcept { return num_heads_of(*source_); }

  /// The attention matrix of a head after softmax, temperature included: [num_tokens, num_tokens], row-major, a row a
  /// query; 0 where a query does not attend to a key. Computed anew at each call, in float32. Throws
  /// Error{invalid_argument} unless 0 ≤ head < num_heads.
  TREBLE_API std::vector<float> probabilities(std::int64_t head) const;

  /// The logit scale 1/τ of a head for the query at `token`. Throws Error{invalid_argument} for a head or token that
  /// does not exist.
  TREBLE_API double logit_scale(std::int64_t head, std::int64_t token) const;

 private:
  TREBLE_API static std::int64_t num_tokens_of(const internal::AttentionSource& source) noexcept;
  TREBLE_API static std::int64_t num_heads_of(const internal::AttentionSource& source) noexcept;

  const internal::AttentionSource* source_;
};

/// The hidden states of one text, [num_tokens, dim]. Valid during the call that it is given to.
struct HiddenStatesView {
  const float* data = nullptr;  ///< of the first token
  std::int64_t num_tokens = 0;  ///< rows
  std::int64_t dim = 0;         ///< the model's hidden size
  std::int64_t stride = 0;      ///< floats from one token to the next

  /// 0 ≤ token < num_tokens, which is not checked.
  std::span<const float> row(std::int64_t token) const noexcept {
    return {data + token * stride, static_cast<std::size_t>(dim)};
  }
};

/// Override what you want to see. An exception that leaves one of these functions ends the pass and reaches the caller
/// of `observe`.
class TREBLE_API Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = default;             ///< Copyable, as far as the derived class is.
  Observer& operator=(const Observer&) = default;  ///< Copyable, as far as the derived class is.
  virtual ~Observer();

  /// `text` is an index into the texts of the call; layers count from 0.
  virtual void on_attention(std::int64_t text, std::int64_t layer, const AttentionView& attention);

  /// After `layer` layers; 0: after the embeddings. The last ones are what pooling works on.
  virtual void on_hidden_states(std::int64_t text, std::int64_t layer, const HiddenStatesView& states);
};

/// Reads each text alone, in order and on this thread, and lets `observer` look on; no vectors are made. Of the options
/// normalize, dimensions, batch_tokens and progress have no meaning here; a stop is heard before each text. Throws what
/// SentenceEncoder::encode throws.
TREBLE_API void observe(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                        const EncodeOptions& options, Observer& observer);

}  // namespace treble
