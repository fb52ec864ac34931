#include "layers/mixture_of_experts.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "kernels/row_ops.h"

namespace treble::internal {

namespace {

/// Rows that are worth a thread.
constexpr std::int64_t kMinMovedRows = 16;

/// Each row of x to the places of its routes.
void gather_routes(const Execution& execution, ConstMatrixView x, const ExpertRoutes& routes, MatrixView gathered) {
  execution.for_ranges(x.rows, kMinMovedRows, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t route = row * routes.active; route < (row + 1) * routes.active; ++route) {
        std::copy_n(x.row(row), x.cols, gathered.row(routes.places[static_cast<std::size_t>(route)]));
      }
    }
  });
}

void scale_row(float factor, std::span<float> row) {
  for (float& value : row) value *= factor;
}

/// y += factor · x
void add_scaled_row(float factor, std::span<const float> x, std::span<float> y) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += factor * x[i];
}

}  // namespace

/// Sums are made in the row of a token's first expert.
void MixtureOfExperts::add_results(const LayerCall& call, MatrixView results, MatrixView y) const {
  const ExpertRoutes& routes = call.workspace.routes;
  call.execution.for_ranges(y.rows, kMinMovedRows, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      const auto route = static_cast<std::size_t>(row * routes.active);
      const std::span<float> sum = results.row_span(routes.places[route]);
      scale_row(routes.weights[route], sum);
      const std::size_t end_of_row = route + static_cast<std::size_t>(routes.active);
      for (std::size_t other = route + 1; other < end_of_row; ++other) {
        add_scaled_row(routes.weights[other], results.row_span(routes.places[other]), sum);
      }
      if (!parts_.bias.empty()) add_row(parts_.bias, sum);
      add_row(sum, y.row_span(row));
    }
  });
}

void MixtureOfExperts::run(const LayerCall& call, ConstMatrixView x, MatrixView y) const {
  ExpertRoutes& routes = call.workspace.routes;
  parts_.router.route(call.execution, x, routes);
  float* const buffer = call.workspace.routed.ensure(static_cast<std::size_t>(routes.count() * x.cols));
  const MatrixView rows(buffer, routes.count(), x.cols);
  gather_routes(call.execution, x, routes, rows);
  for (std::size_t expert = 0; expert < parts_.experts.size(); ++expert) {
    const std::int64_t begin = routes.offsets[expert];
    const std::int64_t end = routes.offsets[expert + 1];
    if (begin == end) continue;
    const MatrixView own = rows.row_range(begin, end);
    parts_.experts[expert].run(call, own, own);
  }
  add_results(call, rows, y);
}

}  // namespace treble::internal
