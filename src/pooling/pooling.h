// From the hidden states of a text's tokens to one vector.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batch/packed_batch.h"
#include "kernels/execution.h"
#include "tensor/view.h"

namespace treble::internal {

/// Let tokens 1 … n of a text be pooled; where the prompt is excluded, its tokens (and the special token before it) are
/// not, but the others keep their positions.
enum class PoolingMode {
  cls,            ///< the first token
  max,            ///< column by column
  mean,           ///< sum / n
  mean_sqrt_len,  ///< sum / sqrt(n): "mean_sqrt_len_tokens"
  weighted_mean,  ///< weight i for the i-th token of the text: "weightedmean" (Muennighoff, arXiv 2202.08904)
  last_token,     ///< the last token: "lasttoken"
};

/// The names of sentence-transformers, in the order of the enum, which is that of its old concatenations.
std::string_view pooling_mode_name(PoolingMode mode) noexcept;
std::optional<PoolingMode> pooling_mode_from_name(std::string_view name) noexcept;
/// "mean", "cls+mean", …
std::string joined_names(const std::vector<PoolingMode>& modes);

struct PoolingConfig {
  std::vector<PoolingMode> modes;  ///< at least one; several are laid side by side in this order
  bool include_prompt = true;
};

/// Width of the pooled vectors of hidden states `hidden_size` wide.
std::int64_t pooled_width(const PoolingConfig& config, std::int64_t hidden_size);

/// hidden [batch.total_tokens(), hidden_size] → out [batch.num_sequences(), pooled_width]. A text of which no token is
/// left gives zeros (cls: its very first token), as in sentence-transformers, whose max alone would give −∞. NaN is
/// passed on, never dropped. Sums are carried in double, token after token, so a vector has the same bits whatever the
/// batch and the threads. Throws Error{internal} when shapes disagree.
void pool(const Execution& execution, const PoolingConfig& config, const PackedBatch& batch, ConstMatrixView hidden,
          MatrixView out);

}  // namespace treble::internal
