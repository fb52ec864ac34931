#include "safetensors/tensor_revision.h"

#include <algorithm>

namespace treble::internal {

namespace {

/// The factor as float32, row-major, transposed where it says so.
std::vector<float> widen(const Factor& factor) {
  std::vector<float> stored(static_cast<std::size_t>(factor.tensor.num_elements()));
  copy_as_float(factor.tensor, factor.name, stored);
  if (!factor.transposed) return stored;
  const auto rows = static_cast<std::size_t>(factor.rows());
  const auto cols = static_cast<std::size_t>(factor.cols());
  std::vector<float> values(stored.size());
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t col = 0; col < cols; ++col) values[row * cols + col] = stored[col * rows + row];
  }
  return values;
}

void add_product(const LowRankProduct& product, std::span<float> out) {
  const std::vector<float> left = widen(product.left);
  if (!product.right) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += product.scale * left[i];
    return;
  }
  const std::vector<float> right = widen(*product.right);
  const auto rank = static_cast<std::size_t>(product.right->rows());
  const auto cols = static_cast<std::size_t>(product.right->cols());
  std::vector<float> sum(cols);
  for (std::size_t row = 0; row * cols < out.size(); ++row) {
    std::fill(sum.begin(), sum.end(), 0.0F);
    for (std::size_t k = 0; k < rank; ++k) {
      const float factor = left[row * rank + k];
      const float* const terms = right.data() + k * cols;
      for (std::size_t col = 0; col < cols; ++col) sum[col] += factor * terms[col];
    }
    float* const values = out.data() + row * cols;
    for (std::size_t col = 0; col < cols; ++col) values[col] += product.scale * sum[col];
  }
}

}  // namespace

void add_products(const TensorRevision& revision, std::span<float> out) {
  for (const LowRankProduct& product : revision.products) add_product(product, out);
}

}  // namespace treble::internal
