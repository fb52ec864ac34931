// What the selective scan costs beside the GEMMs of a Mamba-2 layer, and beside the recurrence that it replaces: the
// kernels of one layer of the 130M model (d_model 768, 24 heads of 64, state 128) over one text.
//
//   treble_scan_share [tokens] [threads]   → a line of JSON, seconds of the fastest of some rounds:
//   {"tokens": 4096, "threads": 1, "linear_seconds": …, "convolution_seconds": …, "softplus_seconds": …,
//    "scan_seconds": …, "steps_seconds": …, "reference_seconds": …}
// "steps" is the recurrence in the SIMD kernel, "reference" in the plain loops of the tests (of 64 tokens, scaled up).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/linear.h"
#include "kernels/reference/reference.h"
#include "kernels/selective_scan.h"

namespace {

using treble::internal::ConstMatrixView;
using treble::internal::Execution;
using treble::internal::Linear;
using treble::internal::MatrixView;
using treble::internal::ScanInputs;

constexpr int kRounds = 7;
constexpr std::int64_t kModelDim = 768;
constexpr std::int64_t kHeads = 24;
constexpr std::int64_t kHeadDim = 64;
constexpr std::int64_t kState = 128;
constexpr std::int64_t kInner = kHeads * kHeadDim;
constexpr std::int64_t kConvolved = kInner + 2 * kState;
constexpr std::int64_t kProjected = kInner + kConvolved + kHeads;
constexpr std::int64_t kKernel = 4;
constexpr std::int64_t kReferenceTokens = 64;

std::vector<float> random_values(std::int64_t count, float spread, float mean = 0) {
  std::mt19937 generator(7);
  std::normal_distribution<float> normal(mean, spread);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

Linear make_linear(std::int64_t in, std::int64_t out) {
  const auto weight = random_values(in * out, 1.0F / std::sqrt(static_cast<float>(in)));
  return {ConstMatrixView(weight.data(), out, in), {}, {}};
}

/// Of the fastest round: others on the machine only ever slow one down.
template <typename Body>
double seconds(const Body& body) {
  double fastest = HUGE_VAL;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    body();
    fastest = std::min(fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return fastest;
}

class Layer {
 public:
  explicit Layer(std::int64_t tokens)
      : tokens_(tokens),
        hidden_(random_values(tokens * kModelDim, 1.0F)),
        projected_(static_cast<std::size_t>(tokens * kProjected)),
        convolved_(static_cast<std::size_t>(tokens * kConvolved)),
        steps_(static_cast<std::size_t>(tokens * kHeads)),
        y_(static_cast<std::size_t>(tokens * kInner)),
        offsets_{0, tokens} {}

  void project(const Execution& execution) {
    in_.run(execution, ConstMatrixView(hidden_.data(), tokens_, kModelDim),
            MatrixView(projected_.data(), tokens_, kProjected));
    out_.run(execution, ConstMatrixView(y_.data(), tokens_, kInner), MatrixView(hidden_.data(), tokens_, kModelDim));
  }

  void convolve(const Execution& execution) {
    causal_convolution(execution, {weight_, bias_, kKernel}, offsets_, {},
                       ConstMatrixView(projected_.data() + kInner, tokens_, kConvolved, kProjected),
                       MatrixView(convolved_.data(), tokens_, kConvolved));
  }

  /// Steps of 1e-3 to 0.1 for the most part, as the models are initialised to.
  void make_steps() {
    softplus(step_bias_, 0, HUGE_VALF,
             ConstMatrixView(projected_.data() + kInner + kConvolved, tokens_, kHeads, kProjected),
             MatrixView(steps_.data(), tokens_, kHeads));
  }

  void scan(const Execution& execution, bool step_by_step) {
    ScanInputs inputs = scan_inputs();
    if (step_by_step) inputs.max_norms = norms_;
    selective_scan(execution, inputs, {}, MatrixView(y_.data(), tokens_, kInner));
  }

  void scan_reference() {
    ScanInputs inputs = scan_inputs();
    const std::vector<std::int64_t> offsets = {0, kReferenceTokens};
    inputs.offsets = offsets;
    treble::internal::reference::selective_scan(inputs, {}, MatrixView(y_.data(), kReferenceTokens, kInner));
  }

 private:
  ScanInputs scan_inputs() const {
    ScanInputs inputs;
    inputs.x = ConstMatrixView(convolved_.data(), tokens_, kInner, kConvolved);
    inputs.b = ConstMatrixView(convolved_.data() + kInner, tokens_, kState, kConvolved);
    inputs.c = ConstMatrixView(convolved_.data() + kInner + kState, tokens_, kState, kConvolved);
    inputs.step = ConstMatrixView(steps_.data(), tokens_, kHeads);
    inputs.a = a_;
    inputs.d = d_;
    inputs.offsets = offsets_;
    inputs.num_heads = kHeads;
    inputs.num_groups = 1;
    return inputs;
  }

  std::int64_t tokens_;
  Linear in_ = make_linear(kModelDim, kProjected);
  Linear out_ = make_linear(kInner, kModelDim);
  std::vector<float> weight_ = random_values(kKernel * kConvolved, 0.3F);
  std::vector<float> bias_ = random_values(kConvolved, 0.1F);
  std::vector<float> step_bias_ = random_values(kHeads, 0.5F, -4.6F);
  std::vector<float> a_ = random_values(kHeads, 1.0F, -8.0F);
  std::vector<float> d_ = std::vector<float>(kHeads, 1.0F);
  std::vector<float> norms_ = std::vector<float>(kHeads, 1e30F);
  std::vector<float> hidden_;
  std::vector<float> projected_;
  std::vector<float> convolved_;
  std::vector<float> steps_;
  std::vector<float> y_;
  std::vector<std::int64_t> offsets_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t tokens = std::max<std::int64_t>(argc > 1 ? std::atoll(argv[1]) : 4096, kReferenceTokens);
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  treble::internal::ThreadPool pool(threads);
  treble::internal::Workspace workspace;
  const Execution execution(workspace, &pool);
  Layer layer(tokens);
  nlohmann::ordered_json line = {{"tokens", tokens}, {"threads", threads}};
  line["linear_seconds"] = seconds([&] { layer.project(execution); });
  line["convolution_seconds"] = seconds([&] { layer.convolve(execution); });
  line["softplus_seconds"] = seconds([&] { layer.make_steps(); });
  line["scan_seconds"] = seconds([&] { layer.scan(execution, false); });
  line["steps_seconds"] = seconds([&] { layer.scan(execution, true); });
  const double scale = static_cast<double>(tokens) / static_cast<double>(kReferenceTokens);
  line["reference_seconds"] = scale * seconds([&] { layer.scan_reference(); });
  std::cout << line.dump() << '\n';
  return 0;
}
