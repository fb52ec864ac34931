// The texts of a batch laid end to end, with no padding token anywhere.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace treble::internal {

/// Sequence i owns the tokens [offsets[i], offsets[i + 1]) of `ids`, and the same rows of every hidden state.
struct PackedBatch {
  std::vector<std::int32_t> ids;         ///< [total_tokens]
  std::vector<std::int64_t> offsets;     ///< [num_sequences + 1], the first 0, the last total_tokens
  std::vector<std::int64_t> text_index;  ///< [num_sequences]: where each sequence stands in the caller's order
  /// [total_tokens]: the type of each token (which text of a pair it belongs to); empty: all are of type 0.
  std::vector<std::uint8_t> token_types = {};
  /// [num_sequences]: leading tokens of each that others attend to; empty: all.
  std::vector<std::int64_t> key_counts = {};
  /// [num_sequences]: leading tokens that belong to the prompt, the special token before it included; 0 without one.
  std::vector<std::int64_t> prompt_tokens;

  std::int64_t num_sequences() const noexcept { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t total_tokens() const noexcept { return offsets.empty() ? 0 : offsets.back(); }
  std::int64_t length(std::int64_t sequence) const {
    const auto i = static_cast<std::size_t>(sequence);
    return offsets[i + 1] - offsets[i];
  }
  std::int64_t num_keys(std::int64_t sequence) const {
    return key_counts.empty() ? length(sequence) : key_counts[static_cast<std::size_t>(sequence)];
  }
};

}  // namespace treble::internal
