// Products of stored tensors, rounded once, to the type that is asked for.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bake/bake_plan.h"
#include "safetensors/safetensors.h"

namespace treble::internal {

/// How far rounded products are from the exact ones.
struct Rounding {
  bool exact = true;
  double max_relative_error = 0;  ///< relative to the product, or to the smallest normal number where that is greater
};

/// The bytes of `tensor` with `change`, in `dtype` (F16, BF16, F32, F64); computed in double. Adds to `rounding`.
/// Throws Error{invalid_file} for another shape, a type without fractions, and a NaN or infinity, which it names;
/// Error{invalid_argument} for a product beyond the range of `dtype`.
std::vector<std::byte> scale_tensor(const StoredTensor& tensor, const TensorChange& change, DType dtype,
                                    Rounding& rounding);

/// The same of a tensor with a revision: of its merged values, which are float32.
std::vector<std::byte> merge_tensor(const StoredTensor& tensor, const TensorChange& change, DType dtype,
                                    Rounding& rounding);

/// F16, BF16 and F64 become F32, NaN and infinities too.
bool is_widened_to_float32(DType dtype) noexcept;
std::vector<std::byte> to_float32(const StoredTensor& tensor);

}  // namespace treble::internal
