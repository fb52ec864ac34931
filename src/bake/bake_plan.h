// Which tensors of a checkpoint a temperature changes, and by what factors. No file is touched here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bake/logit_scales.h"
#include "models/model_registry.h"

namespace treble::internal {

/// One tensor to be multiplied. Element (r, c) becomes rows[r] · cols[c] times what it stands for.
struct TensorChange {
  std::string name;                 ///< as in the file, prefix included
  std::vector<std::int64_t> shape;  ///< that it must have
  std::vector<double> rows;         ///< of the first rows; those behind them stay as they are (keys and values)
  std::vector<double> cols = {};    ///< none: 1
  bool plus_one = false;            ///< a stored w stands for 1 + w (Gemma's norms)
};

/// With these changes the logits of every layer and head are multiplied by `scales`, exactly:
///   queries                     s · W_q and s · b_q in the rows of each head; of a fused qkv the query's rows alone
///   QK-norm                     s · gain of the query's norm, since the norm takes away whatever is before it
///   disentangled (DeBERTa)      the queries, which carry content→position, and the position's own query projection
///   relative bias (T5, MPNet)   s · table when `temper_position_bias`
/// Throws Error{invalid_argument} naming the reason where weights are shared by what should differ.
std::vector<TensorChange> plan_bake(const ModelLayout& layout, const TensorArchive& archive, const LogitScales& scales,
                                    bool temper_position_bias);

}  // namespace treble::internal
