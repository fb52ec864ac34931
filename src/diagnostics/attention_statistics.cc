#include "diagnostics/attention_statistics.h"

#include <Eigen/Dense>
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

double HeadLogits::standard_deviation(double s) const {
  double sum = 0;
  double square = 0;
  double count = 0;
  for (std::size_t i = 0; i < tempered_.size(); ++i) {
    if (tempered_[i] == kHidden) continue;
    const double logit = s * double{tempered_[i]} + (untempered_.empty() ? 0.0 : double{untempered_[i]});
    sum += logit;
    square += logit * logit;
    ++count;
  }
  if (count == 0) return 0;
  return std::sqrt(std::max(0.0, square / count - (sum / count) * (sum / count)));
}

double filter_rate(const std::vector<float>& probabilities, std::int64_t length) {
  constexpr int kMostIterations = 1000;
  // Where two singular values lie close, each step gains little, and a looser bound would stop short.
  constexpr double kTolerance = 1e-10;
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::MatrixXd a = Eigen::Map<const Matrix>(probabilities.data(), length, length).cast<double>();
  // A start without symmetry, so that it is orthogonal to no singular vector by accident.
  Eigen::VectorXd x(length);
  for (Eigen::Index i = 0; i < length; ++i) x(i) = 1.0 + std::sin(static_cast<double>(i * i + 1));
  Eigen::VectorXd y(length);
  double rate = 0;
  for (int iteration = 0; iteration < kMostIterations; ++iteration) {
    const double length_of_x = x.norm();
    if (length_of_x == 0) return 0;
    x /= length_of_x;
    y.noalias() = a * x;
    y.array() -= y.mean();
    const double before = rate;
    rate = y.norm();
    if (rate == 0 || std::abs(rate - before) <= kTolerance * rate) return rate;
    // y has mean 0 already, so the centring of the transposed product is there.
    x.noalias() = a.transpose() * y;
  }
  return rate;
}

double filter_rate_bound(double logit_std, std::int64_t length) {
  if (length < 2) return 0;
  const auto n = static_cast<double>(length);
  return std::sqrt(n / (2 * std::sqrt(1 + std::exp(-2 * logit_std * logit_std)) * std::pow(n - 1, 1.5) + 1));
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
