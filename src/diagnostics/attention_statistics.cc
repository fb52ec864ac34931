#include "diagnostics/attention_statistics.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace treble::internal {

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

/// The largest eigenvalue of a symmetric positive semidefinite operator by Lanczos' method from `start`, every new
/// vector made orthogonal to all before, until the residual is a millionth of it (Parlett, The Symmetric
/// Eigenvalue Problem, chapter 13). Where many eigenvalues crowd at the top, power iteration would need thousands of
/// steps; this takes tens.
template <typename Operator>
double largest_eigenvalue(const Eigen::VectorXd& start, const Operator& apply) {
  constexpr Eigen::Index kMaxSteps = 300;
  constexpr Eigen::Index kStepsBetweenChecks = 4;
  constexpr double kTolerance = 1e-6;
  const Eigen::Index max_steps = std::min(start.size(), kMaxSteps);
  Eigen::MatrixXd basis(start.size(), max_steps);
  Eigen::VectorXd diagonal(max_steps);
  Eigen::VectorXd beside(max_steps);
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  double largest = 0;
  basis.col(0) = start.normalized();
  for (Eigen::Index step = 0; step < max_steps; ++step) {
    Eigen::VectorXd next = apply(basis.col(step));
    diagonal(step) = basis.col(step).dot(next);
    const auto known = basis.leftCols(step + 1);
    // Twice is enough (Kahan; Parlett, section 6-9).
    for (int pass = 0; pass < 2; ++pass) next -= known * (known.transpose() * next).eval();
    beside(step) = next.norm();
    const bool last = step + 1 == max_steps || beside(step) <= kTolerance * std::abs(largest);
    if (last || (step + 1) % kStepsBetweenChecks == 0) {
      solver.computeFromTridiagonal(diagonal.head(step + 1), beside.head(step));
      largest = solver.eigenvalues()(step);
      if (last || beside(step) * std::abs(solver.eigenvectors()(step, step)) <= kTolerance * largest) return largest;
    }
    basis.col(step + 1) = next / beside(step);
  }
  return largest;
}

}  // namespace

HeadLogits::HeadLogits(const AttentionInputs& inputs, std::int64_t sequence, std::int64_t head) {
  const auto s = static_cast<std::size_t>(sequence);
  const std::int64_t begin = inputs.offsets[s];
  length_ = inputs.offsets[s + 1] - begin;
  const std::int64_t d = inputs.head_dim();
  const std::int64_t kv_head = head / (inputs.num_heads / inputs.num_kv_heads);
  const bool biased = inputs.bias_max_length > 0;
  tempered_.resize(static_cast<std::size_t>(length_ * length_));
  if (biased && !inputs.temper_position_bias) untempered_.resize(tempered_.size());
  for (std::int64_t i = 0; i < length_; ++i) {
    float* row = tempered_.data() + i * length_;
    const float* q = inputs.q.row(begin + i) + head * d;
    for (std::int64_t j = 0; j < length_; ++j) {
      row[j] = inputs.qk_scale * dot(q, inputs.k.row(begin + j) + kv_head * d, d);
      if (!biased) continue;
      const float bias = inputs.position_bias.row(head)[j - i + inputs.bias_max_length - 1];
      (inputs.temper_position_bias ? row[j] : untempered_[static_cast<std::size_t>(i * length_ + j)]) += bias;
    }
    if (inputs.logit_bias != nullptr) {
      inputs.logit_bias->add(sequence, head, i, 0, 1.0F, {row, static_cast<std::size_t>(length_)});
    }
    for (std::int64_t j = 0; j < length_; ++j) {
      const bool visible = i - j <= inputs.window_left && j - i <= inputs.window_right && j < inputs.num_keys(sequence);
      if (!visible) row[j] = kHidden;
    }
  }
}

std::vector<float> HeadLogits::probabilities(double s) const {
  return probabilities(std::vector<float>(static_cast<std::size_t>(length_), static_cast<float>(s)));
}

std::vector<float> HeadLogits::probabilities(std::span<const float> scales) const {
  std::vector<float> result(tempered_.size());
  const auto width = static_cast<std::size_t>(length_);
  for (std::size_t row = 0; row < width; ++row) {
    for (std::size_t i = row * width; i < (row + 1) * width; ++i) {
      result[i] = scales[row] * tempered_[i] + (untempered_.empty() ? 0.0F : untempered_[i]);
    }
    softmax({result.data() + row * width, width});
  }
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
  if (length < 2) return 0;
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::MatrixXd high = Eigen::Map<const RowMajor>(probabilities.data(), length, length).cast<double>();
  high.rowwise() -= high.colwise().mean().eval();
  // A start without symmetry, so that it is orthogonal to no singular vector by accident.
  Eigen::VectorXd start(length);
  for (Eigen::Index i = 0; i < length; ++i) start(i) = 1.0 + std::sin(static_cast<double>(i * i + 1));
  const double square = largest_eigenvalue(
      start, [&high](const auto& x) -> Eigen::VectorXd { return high.transpose() * (high * x).eval(); });
  return std::sqrt(std::max(0.0, square));
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

}  // namespace treble::internal
