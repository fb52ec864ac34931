// Which tokens go to which experts of a mixture, and where their rows lie.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/execution.h"
#include "tensor/aligned_buffer.h"
#include "tensor/view.h"

namespace treble::internal {

/// The routes of some rows. Those of expert e, in their order, are rows offsets[e] … offsets[e + 1] of a matrix of all
/// routes; buffers are kept from use to use.
struct ExpertRoutes {
  std::int64_t active = 0;            ///< experts of each row
  std::vector<std::int32_t> experts;  ///< [rows, active], rising in each row
  std::vector<float> weights;         ///< likewise
  std::vector<std::int64_t> places;   ///< likewise: the route's row among all routes
  std::vector<std::int64_t> offsets;  ///< [experts + 1]

  std::int64_t count() const noexcept { return static_cast<std::int64_t>(places.size()); }
};

/// A linear layer without bias, softmax over all experts, and the experts of the largest weights. In float32 whatever
/// the type of the other layers: a weight may be a little wrong, a choice is right or wrong.
class ExpertRouter {
 public:
  struct Parts {
    AlignedBuffer<float> weight;  ///< [experts, hidden]
    std::int64_t experts = 0;
    std::int64_t active = 0;  ///< experts of a token, 1 to `experts`
    /// A token's weights are divided by their sum.
    bool normalized = false;
  };

  explicit ExpertRouter(Parts parts) : parts_(std::move(parts)) {}

  /// Of rows of `hidden` values, each for itself, bit for bit. Of equal weights the first expert's counts as larger.
  /// A row with a NaN gets weights that are NaN.
  void route(const Execution& execution, ConstMatrixView x, ExpertRoutes& routes) const;

 private:
  void choose(std::span<const float> x, std::span<float> probabilities, std::int32_t* experts, float* weights) const;

  Parts parts_;
};

}  // namespace treble::internal
