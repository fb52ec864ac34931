#include <algorithm>
#include <limits>

#include "kernels/reference/reference.h"
#include "tensor/dot.h"

namespace treble::internal::reference {

void max_sim(const VectorSequences& queries, const VectorSequences& documents, MatrixView scores) {
  for (std::int64_t query = 0; query < queries.count(); ++query) {
    for (std::int64_t document = 0; document < documents.count(); ++document) {
      double sum = 0;
      const auto q = static_cast<std::size_t>(query);
      const auto d = static_cast<std::size_t>(document);
      for (std::int64_t i = queries.offsets[q]; i < queries.offsets[q + 1]; ++i) {
        double greatest = -std::numeric_limits<double>::infinity();
        for (std::int64_t j = documents.offsets[d]; j < documents.offsets[d + 1]; ++j) {
          greatest = std::max(greatest, dot(queries.rows.row_span(i), documents.rows.row_span(j)));
        }
        sum += greatest;
      }
      scores.row(query)[document] = static_cast<float>(sum);
    }
  }
}

}  // namespace treble::internal::reference
