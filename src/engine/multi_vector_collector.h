// The multi-vector output of a call.
#pragma once

#include <vector>

#include "engine/multi_vector_head.h"
#include "engine/output_collector.h"
#include "treble/multi_vector.h"

namespace treble::internal {

class MultiVectorCollector : public OutputCollector {
 public:
  /// Of `texts` texts.
  MultiVectorCollector(const MultiVectorHead& head, TextRole role, const Temperature& temperature, std::size_t texts)
      : head_(head), role_(role), temperature_(temperature), texts_(texts) {}

  void take(const Execution& execution, const PackedBatch& batch, ConstMatrixView hidden) override;

  /// After the last batch; without token counts. Leaves nothing behind.
  MultiVectors finish();

 private:
  const MultiVectorHead& head_;
  TextRole role_;
  const Temperature& temperature_;
  std::vector<std::vector<float>> texts_;  ///< [rows, dim] each
};

}  // namespace treble::internal
