// From the hidden states of a text's tokens to one vector.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batch/packed_batch.h"
#include "kernels/execution.h"
#include "pooling/column_pool.h"
#include "tensor/view.h"
#include "treble/pooling_mode.h"

namespace treble::internal {

/// The reverse of to_string; nothing for another name.
std::optional<PoolingMode> pooling_mode_from_name(std::string_view name) noexcept;

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

/// The same of one text whose hidden states come in segments, bit for bit.
class TextPool {
 public:
  /// Of a text of `length` tokens, the first `prompt_tokens` of which belong to its prompt.
  TextPool(const PoolingConfig& config, std::int64_t hidden_size, std::int64_t length, std::int64_t prompt_tokens);

  /// The next tokens, [tokens, hidden_size].
  void add(const Execution& execution, ConstMatrixView hidden);

  /// After the last token: `out` [pooled_width].
  void write(std::span<float> out) const;

 private:
  std::int64_t hidden_size_;
  std::vector<ColumnPool> columns_;  ///< of the first mode, then of the next
};

}  // namespace treble::internal
