#include "kernels/reference/reference.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <vector>

namespace treble::internal::reference {

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::identity: return x;
    case Activation::gelu: return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Activation::relu: return x > 0 ? x : 0;
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::tanh: return std::tanh(x);
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
  }
  return x;
}

void linear(ConstMatrixView weight, std::span<const float> bias, Activation activation, bool accumulate,
            ConstMatrixView x, MatrixView y) {
  for (std::int64_t row = 0; row < x.rows; ++row) {
    for (std::int64_t out = 0; out < weight.rows; ++out) {
      double sum = bias.empty() ? 0.0 : bias[static_cast<std::size_t>(out)];
      for (std::int64_t in = 0; in < weight.cols; ++in) sum += double{x.row(row)[in]} * double{weight.row(out)[in]};
      if (accumulate) sum += y.row(row)[out];
      y.row(row)[out] = static_cast<float>(activate(activation, sum));
    }
  }
}

void layer_norm(ConstMatrixView x, std::span<const float> gain, std::span<const float> bias, double eps, MatrixView y) {
  for (std::int64_t row = 0; row < x.rows; ++row) {
    const auto values = x.row_span(row);
    double mean = 0;
    for (const float value : values) mean += value;
    mean /= static_cast<double>(x.cols);
    double variance = 0;
    for (const float value : values) variance += (value - mean) * (value - mean);
    variance /= static_cast<double>(x.cols);
    for (std::size_t col = 0; col < values.size(); ++col) {
      y.row(row)[col] = static_cast<float>((values[col] - mean) / std::sqrt(variance + eps) * gain[col] + bias[col]);
    }
  }
}

namespace {

struct Head {
  const AttentionInputs& inputs;
  std::int64_t sequence;
  std::int64_t begin;
  std::int64_t length;
  std::int64_t head;

  std::int64_t kv_column() const { return head / (inputs.num_heads / inputs.num_kv_heads) * inputs.head_dim(); }
};

bool is_visible(const Head& h, std::int64_t i, std::int64_t j) {
  return i - j <= h.inputs.window_left && j - i <= h.inputs.window_right && j < h.inputs.num_keys(h.sequence);
}

std::vector<double> logits(const Head& h, std::int64_t i) {
  const std::int64_t d = h.inputs.head_dim();
  const double scale = h.inputs.logit_scales[static_cast<std::size_t>(h.head * h.inputs.q.rows + h.begin + i)];
  std::vector<double> result(static_cast<std::size_t>(h.length));
  std::vector<float> extra(result.size());
  if (h.inputs.logit_bias != nullptr) {
    h.inputs.logit_bias->add(h.sequence, h.head, i, 0, static_cast<float>(scale), extra);
  }
  for (std::int64_t j = 0; j < h.length; ++j) {
    double& logit = result[static_cast<std::size_t>(j)];
    if (!is_visible(h, i, j)) {
      logit = -std::numeric_limits<double>::infinity();
      continue;
    }
    const float* q = h.inputs.q.row(h.begin + i) + h.head * d;
    const float* k = h.inputs.k.row(h.begin + j) + h.kv_column();
    double dot = 0;
    for (std::int64_t c = 0; c < d; ++c) dot += double{q[c]} * double{k[c]};
    logit = scale * h.inputs.qk_scale * dot + extra[static_cast<std::size_t>(j)];
    if (h.inputs.bias_max_length > 0) {
      const double bias = h.inputs.position_bias.row(h.head)[j - i + h.inputs.bias_max_length - 1];
      logit += (h.inputs.temper_position_bias ? scale : 1.0) * bias;
    }
  }
  return result;
}

void softmax(std::vector<double>& values) {
  double max = values.front();
  for (const double value : values) max = std::max(max, value);
  double sum = 0;
  if (max == -std::numeric_limits<double>::infinity()) max = 0;  // no key: all weights are 0
  for (double& value : values) sum += value = std::exp(value - max);
  if (sum == 0) return;
  for (double& value : values) value /= sum;
}

void attend_head(const Head& h, MatrixView out) {
  const std::int64_t d = h.inputs.head_dim();
  for (std::int64_t i = 0; i < h.length; ++i) {
    std::vector<double> weights = logits(h, i);
    softmax(weights);
    for (std::int64_t c = 0; c < d; ++c) {
      double sum = 0;
      for (std::int64_t j = 0; j < h.length; ++j) {
        sum += weights[static_cast<std::size_t>(j)] * double{h.inputs.v.row(h.begin + j)[h.kv_column() + c]};
      }
      out.row(h.begin + i)[h.head * d + c] = static_cast<float>(sum);
    }
  }
}

}  // namespace

void attention(const AttentionInputs& inputs, MatrixView out) {
  const auto num_sequences = static_cast<std::int64_t>(inputs.offsets.size()) - 1;
  for (std::int64_t sequence = 0; sequence < num_sequences; ++sequence) {
    const auto s = static_cast<std::size_t>(sequence);
    const std::int64_t begin = inputs.offsets[s];
    const std::int64_t length = inputs.offsets[s + 1] - begin;
    for (std::int64_t head = 0; head < inputs.num_heads; ++head) {
      attend_head({inputs, sequence, begin, length, head}, out);
    }
  }
}

void rms_norm(ConstMatrixView x, std::span<const float> gain, double eps, MatrixView y) {
  for (std::int64_t row = 0; row < x.rows; ++row) {
    double square = 0;
    for (const float value : x.row_span(row)) square += double{value} * double{value};
    const double scale = 1 / std::sqrt(square / static_cast<double>(x.cols) + eps);
    for (std::int64_t col = 0; col < x.cols; ++col) {
      y.row(row)[col] = static_cast<float>(x.row(row)[col] * scale * gain[static_cast<std::size_t>(col)]);
    }
  }
}

}  // namespace treble::internal::reference
