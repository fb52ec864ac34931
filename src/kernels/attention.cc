// Checks, the choice of a kernel, and how heads spread over threads.
#include "kernels/attention.h"

#include <cstddef>

#include "base/fail.h"
#include "kernels/attention_by.h"
#include "kernels/compute_isa.h"
#include "kernels/simd/attention_head.h"
#include "kernels/simd/bfloat16_attention.h"
#include "kernels/simd/tile_attention.h"

namespace treble::internal {

namespace {

template <typename T>
void check_heads(const BasicAttentionInputs<T>& in, std::int64_t tokens) {
  const bool divides =
      in.num_heads >= 1 && in.num_kv_heads >= 1 && in.num_heads % in.num_kv_heads == 0 && in.q.cols % in.num_heads == 0;
  const auto scales = static_cast<std::int64_t>(in.logit_scales.size());
  if (!divides || scales != tokens * in.num_heads || in.window_left < 0 || in.window_right < 0) {
    fail(ErrorCode::internal, "attention: {} heads on {}, {} columns, {} tokens, {} logit scales, window {} and {}",
         in.num_heads, in.num_kv_heads, in.q.cols, tokens, scales, in.window_left, in.window_right);
  }
}

template <typename T>
void check_matrix(BasicMatrixView<T> view, std::int64_t rows, std::int64_t cols) {
  if (view.rows == rows && view.cols == cols) return;
  fail(ErrorCode::internal, "attention: expected [{}, {}], got [{}, {}]", rows, cols, view.rows, view.cols);
}

template <typename T>
void check_keys(const BasicAttentionInputs<T>& in) {
  if (in.key_counts.empty()) return;
  bool fits = in.key_counts.size() + 1 == in.offsets.size();
  for (std::size_t s = 0; fits && s < in.key_counts.size(); ++s) {
    fits = in.key_counts[s] >= 0 && in.key_counts[s] <= in.offsets[s + 1] - in.offsets[s];
  }
  if (!fits) fail(ErrorCode::internal, "attention: {} counts of keys do not fit the sequences", in.key_counts.size());
}

template <typename T>
void check_shapes(const BasicAttentionInputs<T>& in, BasicMatrixView<T> out) {
  const std::int64_t tokens = in.offsets.back();
  check_heads(in, tokens);
  const std::int64_t kv_width = in.num_kv_heads * in.head_dim();
  check_matrix(in.q, tokens, in.q.cols);
  check_matrix(in.k, tokens, kv_width);
  check_matrix(in.v, tokens, kv_width);
  check_matrix(out, tokens, in.q.cols);
  check_keys(in);
  if (in.bias_max_length == 0) return;
  check_matrix(in.position_bias, in.num_heads, 2 * in.bias_max_length - 1);
  for (std::size_t s = 0; s + 1 < in.offsets.size(); ++s) {
    const std::int64_t length = in.offsets[s + 1] - in.offsets[s];
    if (length > in.bias_max_length) {
      fail(ErrorCode::internal, "attention: a sequence of {} tokens, the position bias covers {}", length,
           in.bias_max_length);
    }
  }
}

template <typename T>
simd::BasicHeadTask<T> head_task(const BasicAttentionInputs<T>& in, BasicMatrixView<T> out, std::int64_t sequence,
                                 std::int64_t head) {
  const auto s = static_cast<std::size_t>(sequence);
  const std::int64_t begin = in.offsets[s];
  const std::int64_t column = head * in.head_dim();
  const std::int64_t kv_column = head / (in.num_heads / in.num_kv_heads) * in.head_dim();
  simd::BasicHeadTask<T> task;
  task.q = in.q.row(begin) + column;
  task.k = in.k.row(begin) + kv_column;
  task.v = in.v.row(begin) + kv_column;
  task.out = out.row(begin) + column;
  task.q_stride = static_cast<std::size_t>(in.q.stride);
  task.k_stride = static_cast<std::size_t>(in.k.stride);
  task.v_stride = static_cast<std::size_t>(in.v.stride);
  task.out_stride = static_cast<std::size_t>(out.stride);
  task.length = static_cast<std::size_t>(in.offsets[s + 1] - begin);
  task.num_keys = static_cast<std::size_t>(in.num_keys(sequence));
  task.head_dim = static_cast<std::size_t>(in.head_dim());
  task.qk_scale = in.qk_scale;
  task.logit_scales = in.logit_scales.data() + head * in.q.rows + begin;
  task.window_left = static_cast<std::size_t>(in.window_left);
  task.window_right = static_cast<std::size_t>(in.window_right);
  if (in.bias_max_length > 0) task.bias = in.position_bias.row(head) + in.bias_max_length - 1;
  task.temper_bias = in.temper_position_bias;
  task.logit_bias = in.logit_bias;
  task.sequence = sequence;
  task.head = head;
  return task;
}

/// Calls `begin` and `end` of a kernel.
template <typename T>
class KernelSession {
 public:
  explicit KernelSession(const simd::HeadKernel<T>& kernel) : kernel_(kernel) {
    if (kernel_.begin != nullptr) kernel_.begin();
  }
  ~KernelSession() {
    if (kernel_.end != nullptr) kernel_.end();
  }
  KernelSession(const KernelSession&) = delete;
  KernelSession& operator=(const KernelSession&) = delete;

 private:
  const simd::HeadKernel<T>& kernel_;
};

/// Where attention rounds to bfloat16.
template <typename T>
simd::HeadKernel<T> bfloat16_kernel() {
  if (bfloat16_attention() == Bfloat16Attention::amx) return simd::tile_attention<T>();
  return {&simd::attend_head_bfloat16};
}

}  // namespace

template <typename T>
void attention_by(const simd::HeadKernel<T>& kernel, const Execution& execution, const BasicAttentionInputs<T>& inputs,
                  BasicMatrixView<T> out) {
  check_shapes(inputs, out);
  // Of heads [begin, end), counted over all sequences.
  const auto run = [&](std::int64_t begin, std::int64_t end, int worker) {
    const KernelSession session(kernel);
    for (std::int64_t index = begin; index < end; ++index) {
      simd::BasicHeadTask<T> task = head_task(inputs, out, index / inputs.num_heads, index % inputs.num_heads);
      if (task.length == 0) continue;
      task.scratch = &execution.scratch(worker).attention;
      kernel.attend(task);
    }
  };
  const auto num_sequences = static_cast<std::int64_t>(inputs.offsets.size()) - 1;
  const std::int64_t heads = num_sequences * inputs.num_heads;
  if (num_sequences == 1 || execution.threads() == 1) {
    execution.for_ranges(heads, 1, run);
  } else {
    execution.for_each(heads, [&](std::int64_t index, int worker) { run(index, index + 1, worker); });
  }
}

template void attention_by(const simd::HeadKernel<float>&, const Execution&, const AttentionInputs&, MatrixView);
template void attention_by(const simd::HeadKernel<std::uint16_t>&, const Execution&, const Bfloat16AttentionInputs&,
                           Bfloat16View);

void attention(const Execution& execution, const AttentionInputs& inputs, MatrixView out) {
  if (inputs.bfloat16 && inputs.logit_bias == nullptr && supports_bf16_attention(inputs.head_dim())) {
    attention_by(bfloat16_kernel<float>(), execution, inputs, out);
  } else {
    attention_by<float>({simd::attend_head_float32()}, execution, inputs, out);
  }
}

void attention(const Execution& execution, const Bfloat16AttentionInputs& inputs, Bfloat16View out) {
  if (inputs.logit_bias != nullptr || !supports_bf16_attention(inputs.head_dim())) {
    fail(ErrorCode::internal, "attention: no bfloat16 for heads of {}, or with a bias of the model's own",
         inputs.head_dim());
  }
  attention_by(bfloat16_kernel<std::uint16_t>(), execution, inputs, out);
}

}  // namespace treble::internal
