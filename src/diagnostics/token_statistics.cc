#include "diagnostics/token_statistics.h"

#include <cmath>
#include <vector>

namespace treble::internal {

TokenStatistics token_statistics(ConstMatrixView hidden) {
  const auto cols = static_cast<std::size_t>(hidden.cols);
  const auto count = static_cast<double>(hidden.rows);
  std::vector<double> sum(cols);
  std::vector<double> unit_sum(cols);
  double square = 0;
  double unit_square = 0;  // the number of tokens that are not zero
  for (std::int64_t row = 0; row < hidden.rows; ++row) {
    const auto values = hidden.row_span(row);
    double row_square = 0;
    for (const float value : values) row_square += double{value} * double{value};
    square += row_square;
    const double scale = row_square > 0 ? 1 / std::sqrt(row_square) : 0;
    unit_square += row_square > 0 ? 1 : 0;
    for (std::size_t col = 0; col < cols; ++col) {
      sum[col] += double{values[col]};
      unit_sum[col] += double{values[col]} * scale;
    }
  }
  TokenStatistics statistics;
  double dc_square = 0;  // ‖DC[X]‖² = n · ‖mean row‖²
  double pairs = 0;
  for (std::size_t col = 0; col < cols; ++col) {
    dc_square += sum[col] * sum[col] / count;
    pairs += unit_sum[col] * unit_sum[col];
  }
  if (square > 0) statistics.hc_ratio = std::sqrt(std::max(0.0, square - dc_square) / square);
  if (hidden.rows > 1) statistics.token_cosine = (pairs - unit_square) / (count * (count - 1));
  return statistics;
}

}  // namespace treble::internal
