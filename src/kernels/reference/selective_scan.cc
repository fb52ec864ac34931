#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/reference/reference.h"

namespace treble::internal::reference {

namespace {

/// One head of one sequence, which takes a step a token.
class HeadScan {
 public:
  HeadScan(const ScanInputs& inputs, std::int64_t head)
      : inputs_(inputs),
        head_(head),
        group_(head / (inputs.num_heads / inputs.num_groups)),
        state_(static_cast<std::size_t>(inputs.state_size() * inputs.head_dim())) {}

  void load(std::span<const float> state) { std::copy(state.begin(), state.end(), state_.begin()); }

  void store(std::span<float> state) const {
    std::transform(state_.begin(), state_.end(), state.begin(), [](double value) { return static_cast<float>(value); });
  }

  void step(std::int64_t token, float* y) {
    const auto h = static_cast<std::size_t>(head_);
    const std::int64_t width = inputs_.head_dim();
    const float* x = inputs_.x.row(token) + head_ * width;
    const float* b = inputs_.b.row(token) + group_ * inputs_.state_size();
    const float* c = inputs_.c.row(token) + group_ * inputs_.state_size();
    const double step = inputs_.step.row(token)[head_];
    const double retain = std::exp(step * inputs_.a[h] + inputs_.log_retain);
    std::size_t i = 0;
    double squares = 0;
    for (std::int64_t n = 0; n < inputs_.state_size(); ++n) {
      for (std::int64_t p = 0; p < width; ++p, ++i) {
        state_[i] = retain * state_[i] + double{inputs_.insert} * b[n] * step * x[p];
        squares += state_[i] * state_[i];
      }
    }
    limit_norm(std::sqrt(squares));
    for (std::int64_t p = 0; p < width; ++p) {
      double sum = inputs_.d.empty() ? 0.0 : double{inputs_.d[h]} * x[p];
      for (std::int64_t n = 0; n < inputs_.state_size(); ++n)
        sum += c[n] * state_[static_cast<std::size_t>(n * width + p)];
      y[p] = static_cast<float>(sum);
    }
  }

 private:
  void limit_norm(double norm) {
    if (inputs_.max_norms.empty()) return;
    const double max = inputs_.max_norms[static_cast<std::size_t>(head_)];
    if (!(norm > max)) return;
    for (double& value : state_) value *= max / norm;
  }

  const ScanInputs& inputs_;
  std::int64_t head_;
  std::int64_t group_;
  std::vector<double> state_;
};

}  // namespace

void selective_scan(const ScanInputs& inputs, std::span<float> states, MatrixView y) {
  const auto size = static_cast<std::size_t>(inputs.state_size() * inputs.head_dim());
  std::size_t at = 0;
  for (std::size_t sequence = 0; sequence + 1 < inputs.offsets.size(); ++sequence) {
    for (std::int64_t head = 0; head < inputs.num_heads; ++head, at += size) {
      HeadScan scan(inputs, head);
      if (!states.empty()) scan.load(states.subspan(at, size));
      for (std::int64_t token = inputs.offsets[sequence]; token < inputs.offsets[sequence + 1]; ++token) {
        scan.step(token, y.row(token) + head * inputs.head_dim());
      }
      if (!states.empty()) scan.store(states.subspan(at, size));
    }
  }
}

namespace {

/// Channel `channel` of the token `position` of a sequence that begins at row `begin`; before it, the history's.
float value_at(ConstMatrixView x, std::int64_t begin, std::int64_t position, std::int64_t channel,
               std::span<const float> history, std::int64_t kept) {
  if (position >= 0) return x.row(begin + position)[channel];
  if (history.empty()) return 0;
  return history[static_cast<std::size_t>((kept + position) * x.cols + channel)];
}

}  // namespace

void causal_convolution(const CausalConvolution& convolution, std::span<const std::int64_t> offsets,
                        std::span<float> history, ConstMatrixView x, MatrixView y) {
  const std::int64_t kept = convolution.kernel - 1;
  const auto size = static_cast<std::size_t>(kept * x.cols);
  for (std::size_t sequence = 0; sequence + 1 < offsets.size(); ++sequence) {
    const std::int64_t begin = offsets[sequence];
    const std::int64_t length = offsets[sequence + 1] - begin;
    const std::span<float> before = history.empty() ? history : history.subspan(sequence * size, size);
    std::vector<float> after(before.size());
    for (std::int64_t channel = 0; channel < x.cols; ++channel) {
      const auto ch = static_cast<std::size_t>(channel);
      for (std::int64_t t = 0; t < length; ++t) {
        double sum = convolution.bias.empty() ? 0.0 : convolution.bias[ch];
        for (std::int64_t k = 0; k < convolution.kernel; ++k) {
          sum += double{convolution.weight[static_cast<std::size_t>(k * x.cols) + ch]} *
                 value_at(x, begin, t - kept + k, channel, before, kept);
        }
        y.row(begin + t)[channel] = static_cast<float>(activate(Activation::silu, sum));
      }
      for (std::int64_t k = 0; k < kept && !before.empty(); ++k) {
        after[static_cast<std::size_t>(k * x.cols) + ch] = value_at(x, begin, length - kept + k, channel, before, kept);
      }
    }
    std::copy(after.begin(), after.end(), before.begin());
  }
}

}  // namespace treble::internal::reference
