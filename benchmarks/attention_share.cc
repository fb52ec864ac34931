// How a layer's time divides between attention and the products with weights as texts grow longer: the kernels of one
// layer, on one thread, over the same number of tokens at every length.
//
//   treble_attention_share [hidden] [heads] [intermediate]   → a line of JSON a length:
//   {"length": 128, "linear_seconds": …, "attention_seconds": …, "linear_flops": …, "attention_flops": …}, of 8192
//   tokens
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "kernels/attention.h"
#include "kernels/linear.h"

namespace {

using treble::ConstMatrixView;
using treble::Linear;
using treble::MatrixView;

constexpr std::int64_t kTokens = 8192;
constexpr int kRounds = 5;

std::vector<float> random_values(std::int64_t count, float spread) {
  std::mt19937 generator(7);
  std::normal_distribution<float> normal(0.0F, spread);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

/// The median, in seconds.
double time_of(const std::function<void()>& work) {
  std::vector<double> seconds;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRounds / 2, seconds.end());
  return seconds[kRounds / 2];
}

Linear make_linear(std::int64_t in, std::int64_t out, treble::Activation activation) {
  const auto weight = random_values(in * out, 1.0F / std::sqrt(static_cast<float>(in)));
  const std::vector<float> bias(static_cast<std::size_t>(out), 0.1F);
  Linear::Options options;
  options.activation = activation;
  return {ConstMatrixView(weight.data(), out, in), bias, options};
}

/// The products of one layer, by micro-batches as the engine makes them.
class Products {
 public:
  Products(std::int64_t hidden, std::int64_t wide)
      : qkv_(make_linear(hidden, 3 * hidden, treble::Activation::identity)),
        out_(make_linear(hidden, hidden, treble::Activation::identity)),
        up_(make_linear(hidden, wide, treble::Activation::gelu)),
        down_(make_linear(wide, hidden, treble::Activation::identity)),
        x_(random_values(kTokens * hidden, 1.0F)) {}

  void run() {
    const std::int64_t rows = qkv_.typical_rows();
    for (std::int64_t first = 0; first < kTokens; first += rows) {
      const ConstMatrixView x(x_.data() + first * qkv_.in_features(), rows, qkv_.in_features());
      apply(qkv_, x, narrow_);
      apply(out_, x, narrow_);
      apply(up_, x, wide_);
      apply(down_, ConstMatrixView(wide_.data(), rows, down_.in_features()), narrow_);
    }
  }

  double flops() const {
    double sum = 0;
    for (const Linear* one : {&qkv_, &out_, &up_, &down_}) {
      sum += 2.0 * static_cast<double>(kTokens * one->in_features() * one->out_features());
    }
    return sum;
  }

 private:
  static void apply(const Linear& linear, ConstMatrixView x, std::vector<float>& y) {
    y.resize(static_cast<std::size_t>(x.rows * linear.out_features()));
    linear.run({}, x, MatrixView(y.data(), x.rows, linear.out_features()));
  }

  Linear qkv_;
  Linear out_;
  Linear up_;
  Linear down_;
  std::vector<float> x_;
  std::vector<float> narrow_;
  std::vector<float> wide_;
};

double attention_seconds(std::int64_t length, std::int64_t hidden, std::int64_t heads) {
  const auto qkv = random_values(kTokens * 3 * hidden, 1.0F);
  const std::vector<float> scales(static_cast<std::size_t>(heads * kTokens), 1.0F);
  std::vector<float> out(static_cast<std::size_t>(kTokens * hidden));
  std::vector<std::int64_t> offsets;
  for (std::int64_t at = 0; at <= kTokens; at += length) offsets.push_back(at);
  treble::AttentionInputs inputs;
  inputs.q = ConstMatrixView(qkv.data(), kTokens, hidden, 3 * hidden);
  inputs.k = ConstMatrixView(qkv.data() + hidden, kTokens, hidden, 3 * hidden);
  inputs.v = ConstMatrixView(qkv.data() + 2 * hidden, kTokens, hidden, 3 * hidden);
  inputs.offsets = offsets;
  inputs.num_heads = inputs.num_kv_heads = heads;
  inputs.qk_scale = 1.0F / std::sqrt(static_cast<float>(hidden / heads));
  inputs.logit_scales = scales;
  std::vector<treble::AttentionScratch> scratch;
  return time_of([&] { treble::attention({}, inputs, scratch, MatrixView(out.data(), kTokens, hidden)); });
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t hidden = argc > 1 ? std::atoll(argv[1]) : 384;
  const std::int64_t heads = argc > 2 ? std::atoll(argv[2]) : 12;
  const std::int64_t wide = argc > 3 ? std::atoll(argv[3]) : 1536;
  Products products(hidden, wide);
  products.run();
  for (std::int64_t length = 16; length <= kTokens; length *= 2) {
    // The products beside each length, since a machine's speed drifts.
    const double linear = time_of([&] { products.run(); });
    const nlohmann::json line = {{"length", length},
                                 {"linear_seconds", linear},
                                 {"attention_seconds", attention_seconds(length, hidden, heads)},
                                 {"linear_flops", products.flops()},
                                 {"attention_flops", 4.0 * static_cast<double>(kTokens * length * hidden)}};
    std::cout << line.dump() << std::endl;
  }
  return 0;
}
