#include "layers/state_window.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace treble::internal {

namespace {

/// The rows of `recent`, then those of `now`.
std::vector<float> joined(const std::vector<float>& recent, ConstMatrixView now) {
  std::vector<float> rows = recent;
  rows.reserve(recent.size() + static_cast<std::size_t>(now.rows * now.cols));
  for (std::int64_t row = 0; row < now.rows; ++row) rows.insert(rows.end(), now.row(row), now.row(row) + now.cols);
  return rows;
}

std::vector<float> last_rows(ConstMatrixView from, std::int64_t count) {
  std::vector<float> rows;
  for (std::int64_t row = std::max<std::int64_t>(0, from.rows - count); row < from.rows; ++row) {
    rows.insert(rows.end(), from.row(row), from.row(row) + from.cols);
  }
  return rows;
}

}  // namespace

StateWindow::StateWindow(const ScanInputs& scan, ConstMatrixView channels, std::int64_t window, LayerState* earlier)
    : scan_(scan), window_(window), earlier_(earlier), channels_(channels), steps_(scan.step) {
  const std::int64_t heads = scan.num_heads;
  if (earlier != nullptr && !earlier->recent_steps.empty()) {
    before_ = std::ssize(earlier->recent_steps) / heads;
    joined_channels_ = joined(earlier->recent_inputs, channels);
    joined_steps_ = joined(earlier->recent_steps, scan.step);
    channels_ = ConstMatrixView(joined_channels_.data(), before_ + channels.rows, channels.cols);
    steps_ = ConstMatrixView(joined_steps_.data(), before_ + channels.rows, heads);
  }
  step_sums_.resize(static_cast<std::size_t>((steps_.rows + 1) * heads));
  for (std::int64_t token = 0; token < steps_.rows; ++token) {
    for (std::int64_t head = 0; head < heads; ++head) {
      const auto at = static_cast<std::size_t>(token * heads + head);
      step_sums_[at + static_cast<std::size_t>(heads)] = step_sums_[at] + steps_.row(token)[head];
    }
  }
}

/// The inputs of `tokens` tokens from the first one known on.
ScanInputs StateWindow::lagging(std::int64_t tokens) const {
  const std::int64_t width = scan_.x.cols;
  const std::int64_t shared = scan_.b.cols;
  const ConstMatrixView rows = channels_.row_range(0, tokens);
  ScanInputs lagging = scan_;
  lagging.x = rows.col_range(0, width);
  lagging.b = rows.col_range(width, width + shared);
  lagging.c = scan_.c.row_range(scan_.c.rows - tokens, scan_.c.rows);
  lagging.step = steps_.row_range(0, tokens);
  lagging.d = {};
  return lagging;
}

void StateWindow::subtract(const Execution& execution, AlignedBuffer<float>& scratch, MatrixView y) {
  // Those of the segment's tokens, the last ones, that have a token R before them.
  const std::int64_t count = steps_.rows - window_;
  if (count > 0) {
    const std::int64_t heads = scan_.num_heads;
    const std::int64_t head_dim = scan_.head_dim();
    const MatrixView left(scratch.ensure(static_cast<std::size_t>(count * y.cols)), count, y.cols);
    const std::array<std::int64_t, 2> offsets = {0, count};
    ScanInputs inputs = lagging(count);
    inputs.offsets = offsets;
    std::span<float> states;
    if (earlier_ != nullptr) {
      earlier_->lagged_scan.resize(static_cast<std::size_t>(scan_.state_values()));
      states = earlier_->lagged_scan;
    }
    selective_scan(execution, inputs, states, left);
    for (std::int64_t token = 0; token < count; ++token) {
      float* target = y.row(y.rows - count + token);
      const double* from = step_sums_.data() + (token + 1) * heads;
      const double* to = from + window_ * heads;
      for (std::int64_t head = 0; head < heads; ++head) {
        const auto kept =
            static_cast<float>(std::exp(double{scan_.a[static_cast<std::size_t>(head)]} * (to[head] - from[head])));
        for (std::int64_t p = head * head_dim; p < (head + 1) * head_dim; ++p) target[p] -= kept * left.row(token)[p];
      }
    }
  }
  keep_recent();
}

void StateWindow::keep_recent() {
  if (earlier_ == nullptr) return;
  earlier_->recent_inputs = last_rows(channels_, window_);
  earlier_->recent_steps = last_rows(steps_, window_);
}

std::vector<float> StateWindow::state(std::int64_t head, std::int64_t tokens) const {
  const std::int64_t width = scan_.head_dim();
  const std::int64_t size = scan_.state_size();
  const std::int64_t group = head / (scan_.num_heads / scan_.num_groups);
  const double a = scan_.a[static_cast<std::size_t>(head)];
  const std::int64_t end = before_ + tokens;
  const auto sum_before = [&](std::int64_t token) {
    return step_sums_[static_cast<std::size_t>(token * scan_.num_heads + head)];
  };
  std::vector<float> state(static_cast<std::size_t>(size * width));
  for (std::int64_t token = std::max<std::int64_t>(0, end - window_); token < end; ++token) {
    const float* x = channels_.row(token) + head * width;
    const float* b = channels_.row(token) + scan_.x.cols + group * size;
    const auto weight =
        static_cast<float>(std::exp(a * (sum_before(end) - sum_before(token + 1))) * steps_.row(token)[head]);
    for (std::int64_t n = 0; n < size; ++n) {
      const float factor = weight * b[n];
      float* row = state.data() + n * width;
      for (std::int64_t p = 0; p < width; ++p) row[p] += factor * x[p];
    }
  }
  return state;
}

}  // namespace treble::internal
