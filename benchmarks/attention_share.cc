// How a layer's time divides between attention and the GEMMs as texts grow longer: the kernels of one
// layer, on one thread, over the same number of tokens at every length.
//
//   treble_attention_share [hidden] [heads] [intermediate]   → a line of JSON a length:
//   {"length": 128, "linear_seconds": …, "attention_seconds": …, "linear_flops": …, "attention_flops": …}, of 8192
//   tokens
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "kernels/attention.h"
#include "kernels/linear.h"

namespace {

using treble::internal::ConstMatrixView;
using treble::internal::Linear;
using treble::internal::MatrixView;

constexpr std::int64_t kTokens = 8192;
constexpr std::int64_t kBatchTokens = 512;
constexpr int kRounds = 5;

std::vector<float> random_values(std::int64_t count, float spread) {
  std::mt19937 generator(7);
  std::normal_distribution<float> normal(0.0F, spread);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

Linear make_linear(std::int64_t in, std::int64_t out, treble::internal::Activation activation) {
  const auto weight = random_values(in * out, 1.0F / std::sqrt(static_cast<float>(in)));
  const std::vector<float> bias(static_cast<std::size_t>(out), 0.1F);
  Linear::Options options;
  options.activation = activation;
  return {ConstMatrixView(weight.data(), out, in), bias, options};
}

using Clock = std::chrono::steady_clock;

/// Seconds of a pass over all tokens.
struct Seconds {
  double linear = 0;
  double attention = 0;
};

/// One layer without its norms, a micro-batch at a time as the engine runs it, so that attention finds its queries
/// in the cache where the GEMM has left them.
class Layer {
 public:
  Layer(std::int64_t hidden, std::int64_t heads, std::int64_t wide)
      : hidden_(hidden),
        heads_(heads),
        qkv_(make_linear(hidden, 3 * hidden, treble::internal::Activation::identity)),
        out_(make_linear(hidden, hidden, treble::internal::Activation::identity)),
        up_(make_linear(hidden, wide, treble::internal::Activation::gelu)),
        down_(make_linear(wide, hidden, treble::internal::Activation::identity)),
        x_(random_values(kTokens * hidden, 1.0F)) {}

  Seconds pass(std::int64_t length) {
    Seconds seconds;
    const std::int64_t rows = std::max(kBatchTokens, length);
    for (std::int64_t first = 0; first < kTokens; first += rows) {
      const auto start = Clock::now();
      apply(qkv_, ConstMatrixView(x_.data() + first * hidden_, rows, hidden_), qkv_values_);
      const auto attention_start = Clock::now();
      attend(rows, length);
      const auto attention_end = Clock::now();
      apply(out_, ConstMatrixView(context_.data(), rows, hidden_), narrow_);
      feed_forward(rows);
      seconds.attention += std::chrono::duration<double>(attention_end - attention_start).count();
      seconds.linear += std::chrono::duration<double>(attention_start - start + (Clock::now() - attention_end)).count();
    }
    return seconds;
  }

  double linear_flops() const {
    double sum = 0;
    for (const Linear* one : {&qkv_, &out_, &up_, &down_}) {
      sum += 2.0 * static_cast<double>(kTokens * one->in_features() * one->out_features());
    }
    return sum;
  }

 private:
  void apply(const Linear& linear, ConstMatrixView x, std::vector<float>& y) {
    y.resize(static_cast<std::size_t>(x.rows * linear.out_features()));
    linear.run(treble::internal::Execution(workspace_), x, MatrixView(y.data(), x.rows, linear.out_features()));
  }

  void feed_forward(std::int64_t rows) {
    const std::int64_t chunk = up_.typical_rows();
    for (std::int64_t first = 0; first < rows; first += chunk) {
      apply(up_, ConstMatrixView(narrow_.data() + first * hidden_, chunk, hidden_), wide_);
      apply(down_, ConstMatrixView(wide_.data(), chunk, up_.out_features()), last_);
    }
  }

  void attend(std::int64_t rows, std::int64_t length) {
    std::vector<std::int64_t> offsets;
    for (std::int64_t at = 0; at <= rows; at += length) offsets.push_back(at);
    const std::vector<float> scales(static_cast<std::size_t>(heads_ * rows), 1.0F);
    context_.resize(static_cast<std::size_t>(rows * hidden_));
    treble::internal::AttentionInputs inputs;
    inputs.q = ConstMatrixView(qkv_values_.data(), rows, hidden_, 3 * hidden_);
    inputs.k = ConstMatrixView(qkv_values_.data() + hidden_, rows, hidden_, 3 * hidden_);
    inputs.v = ConstMatrixView(qkv_values_.data() + 2 * hidden_, rows, hidden_, 3 * hidden_);
    inputs.offsets = offsets;
    inputs.num_heads = inputs.num_kv_heads = heads_;
    inputs.qk_scale = 1.0F / std::sqrt(static_cast<float>(hidden_ / heads_));
    inputs.logit_scales = scales;
    treble::internal::attention(treble::internal::Execution(workspace_), inputs,
                                MatrixView(context_.data(), rows, hidden_));
  }

  std::int64_t hidden_;
  std::int64_t heads_;
  Linear qkv_;
  Linear out_;
  Linear up_;
  Linear down_;
  std::vector<float> x_;
  std::vector<float> qkv_values_;
  std::vector<float> context_;
  std::vector<float> narrow_;
  std::vector<float> wide_;
  std::vector<float> last_;
  treble::internal::Workspace workspace_;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + kRounds / 2, values.end());
  return values[kRounds / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t hidden = argc > 1 ? std::atoll(argv[1]) : 384;
  const std::int64_t heads = argc > 2 ? std::atoll(argv[2]) : 12;
  const std::int64_t wide = argc > 3 ? std::atoll(argv[3]) : 1536;
  Layer layer(hidden, heads, wide);
  for (std::int64_t length = 16; length <= kTokens; length *= 2) {
    layer.pass(length);
    std::vector<double> linear;
    std::vector<double> attention;
    for (int round = 0; round < kRounds; ++round) {
      const Seconds seconds = layer.pass(length);
      linear.push_back(seconds.linear);
      attention.push_back(seconds.attention);
    }
    const nlohmann::json line = {{"length", length},
                                 {"linear_seconds", median(linear)},
                                 {"attention_seconds", median(attention)},
                                 {"linear_flops", layer.linear_flops()},
                                 {"attention_flops", 4.0 * static_cast<double>(kTokens * length * hidden)}};
    std::cout << line.dump() << std::endl;
  }
  return 0;
}
