// What an adapter makes of a stored tensor; applied whenever the tensor is read as float32.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "safetensors/safetensors.h"

namespace treble::internal {

/// A tensor that is read as a matrix: its first dimension are the rows, all others the columns.
struct Factor {
  StoredTensor tensor;
  std::string name;  ///< in its file, for messages
  bool transposed = false;

  std::int64_t rows() const { return transposed ? stored_cols() : stored_rows(); }
  std::int64_t cols() const { return transposed ? stored_rows() : stored_cols(); }

 private:
  std::int64_t stored_rows() const { return tensor.shape.empty() ? 1 : tensor.shape.front(); }
  std::int64_t stored_cols() const { return stored_rows() == 0 ? 0 : tensor.num_elements() / stored_rows(); }
};

/// scale · left · right; without `right` scale · left.
struct LowRankProduct {
  Factor left;                  ///< [rows, rank]
  std::optional<Factor> right;  ///< [rank, cols]
  float scale = 1;
};

/// The sum of products is that of `base`, or of `replacement` where there is one.
struct TensorRevision {
  std::optional<Factor> replacement;
  std::vector<LowRankProduct> products;
};

/// Adds the products to the values of a tensor, in float32; `out` is its rows laid end to end.
void add_products(const TensorRevision& revision, std::span<float> out);

}  // namespace treble::internal
