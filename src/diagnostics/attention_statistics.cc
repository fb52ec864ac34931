#include "diagnostics/attention_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace treble {

namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();

float dot(const float* a, const float* b, std::int64_t count) {
  float sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

/// row ← softmax(row); at least one entry is finite.
void softmax(std::span<float> row) {
  const float largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (float& value : row) sum += value = std::exp(value - largest);
  for (float& value : row) value = static_cast<float>(value / sum);
}

double norm(const std::vector<double>& v) {
  double square = 0;
  for (const double value : v) square += value * value;
  return std::sqrt(square);
}

/// y = HC[A] x: A x less its mean.
void centred_product(const std::vector<float>& a, std::int64_t n, const std::vector<double>& x, std::vector<double>& y) {
  double mean = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = a.data() + i * n;
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += double{row[j]} * x[static_cast<std::size_t>(j)];
    y[static_cast<std::size_t>(i)] = sum;
    mean += sum;
  }
  mean /= static_cast<double>(n);
  for (double& value : y) value -= mean;
}

/// x = HC[A]ᵀ y; y has mean 0 already, so the centring is there.
void transposed_product(const std::vector<float>& a, std::int64_t n, const std::vector<double>& y, std::vector<double>& x) {
  std::fill(x.begin(), x.end(), 0.0);
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = a.data() + i * n;
    const double weight = y[static_cast<std::size_t>(i)];
    for (std::int64_t j = 0; j < n; ++j) x[static_cast<std::size_t>(j)] += weight * double{row[j]};
  }
}

}  // namespace

HeadLogits::HeadLogits(const AttentionInputs& inputs, std::int64_t sequence, std::int64_t head) {
  const auto s = static_cast<std::size_t>(sequence);
  const std::int64_t begin = inputs.offsets[s];
  length_ = inputs.offsets[s + 1] - begin;
  const std::int64_t d = inputs.head_dim();
  const std::int64_t kv_head = head / (inputs.num_heads / inputs.num_kv_heads);
  const bool biased = inputs.bias_reach > 0;
  tempered_.resize(static_cast<std::size_t>(length_ * length_));
  if (biased && !inputs.temper_position_bias) untempered_.resize(tempered_.size());
  for (std::int64_t i = 0; i < length_; ++i) {
    float* row = tempered_.data() + i * length_;
    const float* q = inputs.q.row(begin + i) + head * d;
    for (std::int64_t j = 0; j < length_; ++j) {
      row[j] = inputs.qk_scale * dot(q, inputs.k.row(begin + j) + kv_head * d, d);
      if (!biased) continue;
      const float bias = inputs.position_bias.row(head)[j - i + inputs.bias_reach - 1];
      (inputs.temper_position_bias ? row[j] : untempered_[static_cast<std::size_t>(i * length_ + j)]) += bias;
    }
    if (inputs.logit_bias != nullptr) {
      inputs.logit_bias->add(sequence, head, i, 0, 1.0F, {row, static_cast<std::size_t>(length_)});
    }
    for (std::int64_t j = 0; j < length_; ++j) {
      if (i - j > inputs.reach_back || j - i > inputs.reach_ahead) row[j] = kHidden;
    }
  }
}

std::vector<float> HeadLogits::probabilities(double s) const {
  std::vector<float> result(tempered_.size());
  const auto scale = static_cast<float>(s);
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = scale * tempered_[i] + (untempered_.empty() ? 0.0F : untempered_[i]);
  }
  const auto width = static_cast<std::size_t>(length_);
  for (std::size_t row = 0; row < width; ++row) softmax({result.data() + row * width, width});
  return result;
}

double filter_rate(const std::vector<float>& probabilities, std::int64_t length) {
  constexpr int kMostIterations = 1000;
  constexpr double kTolerance = 1e-6;
  const auto n = static_cast<std::size_t>(length);
  std::vector<double> x(n);
  std::vector<double> y(n);
  // A start without symmetry, so that it is orthogonal to no singular vector by accident.
  for (std::size_t i = 0; i < n; ++i) x[i] = 1.0 + std::sin(static_cast<double>(i * i + 1));
  double rate = 0;
  for (int iteration = 0; iteration < kMostIterations; ++iteration) {
    const double length_of_x = norm(x);
    if (length_of_x == 0) return 0;
    for (double& value : x) value /= length_of_x;
    centred_product(probabilities, length, x, y);
    const double before = rate;
    rate = norm(y);
    if (rate == 0 || std::abs(rate - before) <= kTolerance * rate * 0.1) return rate;
    transposed_product(probabilities, length, y, x);
  }
  return rate;
}

double normalized_entropy(const std::vector<float>& probabilities, std::int64_t length) {
  double total = 0;
  for (std::int64_t i = 0; i < length; ++i) {
    double entropy = 0;
    std::int64_t seen = 0;
    for (std::int64_t j = 0; j < length; ++j) {
      const double p = probabilities[static_cast<std::size_t>(i * length + j)];
      if (p <= 0) continue;
      entropy -= p * std::log(p);
      ++seen;
    }
    if (seen > 1) total += entropy / std::log(static_cast<double>(seen));
  }
  return length > 0 ? total / static_cast<double>(length) : 0;
}

}  // namespace treble
