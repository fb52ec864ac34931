// Vectors from within a model: the hidden states of its layers, pooled as the model pools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/view.h"

namespace treble::internal {

/// Of some texts and layers; EncoderAccess::encode_layers fills it in.
struct LayerVectors {
  std::int64_t texts = 0;
  std::int64_t pooled_width = 0;
  std::int64_t dim = 0;                         ///< of the final vectors
  std::vector<std::vector<float>> layers = {};  ///< [layer], each [texts, pooled_width]
  std::vector<float> final_vectors = {};        ///< [texts, dim]

  /// `index`: of a layer; one beyond the last: the final vectors.
  ConstMatrixView at(std::size_t index) const {
    if (index == layers.size()) return {final_vectors.data(), texts, dim};
    return {layers[index].data(), texts, pooled_width};
  }
};

}  // namespace treble::internal
