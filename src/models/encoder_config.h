// The switches in which encoder families differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/activation.h"
#include "layers/position_bias.h"

namespace treble {

struct EncoderConfig {
  std::string model_type;
  std::string architecture;
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t num_layers = 0;
  std::int64_t num_heads = 0;
  std::int64_t intermediate_size = 0;
  /// Rows of the learned position table, and the position of the first token.
  std::int64_t num_positions = 0;
  std::int64_t position_offset = 0;
  /// A token that is not counted when positions are given out (RoBERTa's padding token).
  std::optional<std::int32_t> uncounted_id;
  std::int64_t num_token_types = 0;  ///< 0: the family has none
  RelativeBuckets relative_buckets;
  Activation activation = Activation::gelu;
  double norm_eps = 1e-12;

  std::int64_t max_tokens() const noexcept { return num_positions - position_offset; }
};

/// The switches as (name, value) for people.
std::vector<std::pair<std::string, std::string>> describe(const EncoderConfig& config);

}  // namespace treble
