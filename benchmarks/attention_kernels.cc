// The attention kernels beside each other, on one thread and the same numbers, run in turn: what the choice by kind of
// CPU (src/kernels/compute_isa.cc) is made by.
//
//   treble_attention_kernels [rounds]   → a line a shape: each kernel's median time, and its share of the first's
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention_by.h"
#include "kernels/bfloat16_ops.h"
#include "kernels/compute_isa.h"
#include "kernels/simd/bfloat16_attention.h"
#include "kernels/simd/tile_attention.h"

namespace {

using treble::internal::Bfloat16Attention;

constexpr std::int64_t kHeads = 12;
constexpr std::int64_t kTokens = 512;

/// Packed queries, keys and values of sequences of one length.
class Batch {
 public:
  Batch(std::int64_t length, std::int64_t head_dim)
      : width_(kHeads * head_dim), tokens_(std::max(kTokens, length)), qkv_(size(3)), bf16_(size(3)) {
    std::mt19937 generator(7);
    std::normal_distribution<float> normal;
    for (float& value : qkv_) value = normal(generator);
    treble::internal::to_bfloat16(qkv_, bf16_);
    for (std::int64_t at = 0; at <= tokens_; at += length) offsets_.push_back(at);
    scales_.assign(static_cast<std::size_t>(kHeads * tokens_), 1.0F);
  }

  template <typename T>
  void run(const treble::internal::simd::HeadKernel<T>& kernel, const std::vector<T>& qkv, std::vector<T>& out) {
    treble::internal::BasicAttentionInputs<T> inputs;
    const auto part = [&](std::int64_t index) {
      return treble::internal::BasicMatrixView<const T>(qkv.data() + index * width_, tokens_, width_, 3 * width_);
    };
    inputs.q = part(0);
    inputs.k = part(1);
    inputs.v = part(2);
    inputs.offsets = offsets_;
    inputs.num_heads = inputs.num_kv_heads = kHeads;
    inputs.qk_scale = 1.0F / std::sqrt(static_cast<float>(width_ / kHeads));
    inputs.logit_scales = scales_;
    out.resize(size(1));
    treble::internal::attention_by(kernel, treble::internal::Execution(workspace_), inputs,
                                   treble::internal::BasicMatrixView<T>(out.data(), tokens_, width_));
  }

  void run(Bfloat16Attention kernel) {
    namespace simd = treble::internal::simd;
    switch (kernel) {
      case Bfloat16Attention::float32: run<float>({simd::attend_head_float32()}, qkv_, out_); break;
      case Bfloat16Attention::avx512_bf16: run<std::uint16_t>({&simd::attend_head_bfloat16}, bf16_, bf16_out_); break;
      case Bfloat16Attention::amx: run(simd::tile_attention<std::uint16_t>(), bf16_, bf16_out_); break;
    }
  }

 private:
  std::size_t size(std::int64_t parts) const { return static_cast<std::size_t>(tokens_ * parts * width_); }

  std::int64_t width_;
  std::int64_t tokens_;
  std::vector<float> qkv_;
  std::vector<std::uint16_t> bf16_;
  std::vector<std::int64_t> offsets_;
  std::vector<float> scales_;
  std::vector<float> out_;
  std::vector<std::uint16_t> bf16_out_;
  treble::internal::Workspace workspace_;
};

struct Kernel {
  std::string name;
  Bfloat16Attention kernel;
  std::vector<double> seconds = {};

  double median() {
    std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

void compare(std::vector<Kernel> kernels, std::int64_t length, std::int64_t head_dim, int rounds) {
  Batch batch(length, head_dim);
  for (int round = 0; round <= rounds; ++round) {
    for (Kernel& kernel : kernels) {
      const auto start = std::chrono::steady_clock::now();
      batch.run(kernel.kernel);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (round > 0) kernel.seconds.push_back(seconds);
    }
  }
  std::string line = fmt::format("d {:3} n {:5}", head_dim, length);
  const double first = kernels.front().median();
  for (Kernel& kernel : kernels) {
    line += fmt::format("  {} {:8.3f} ms ({:.2f})", kernel.name, 1e3 * kernel.median(), kernel.median() / first);
  }
  fmt::print("{}\n", line);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = std::max(1, argc > 1 ? std::atoi(argv[1]) : 40);
  std::vector<Kernel> kernels;
  for (const Kernel& kernel :
       {Kernel{"float32", Bfloat16Attention::float32}, Kernel{"AVX512-BF16", Bfloat16Attention::avx512_bf16},
        Kernel{"AMX", Bfloat16Attention::amx}}) {
    if (treble::internal::cpu_supports(kernel.kernel)) {
      kernels.push_back(kernel);
    } else {
      fmt::print("{}: not on this CPU, or beyond ONEDNN_MAX_CPU_ISA\n", kernel.name);
    }
  }
  for (const std::int64_t head_dim : {32, 64}) {
    for (const std::int64_t length : {16, 32, 64, 128, 256, 512, 1024, 2048}) {
      compare(kernels, length, head_dim, length > 512 ? std::max(1, rounds / 8) : rounds);
    }
  }
  return 0;
}
