// Checks, the loop over a sequence's chunks, and how sequences and heads spread over threads.
#include "kernels/selective_scan.h"

#include <algorithm>
#include <cstddef>

#include "base/fail.h"
#include "kernels/simd/scan_chunk.h"

namespace treble::internal {

namespace {

/// Multiply-adds below which waking another thread takes longer.
constexpr std::int64_t kMinSharedWork = std::int64_t{1} << 16;
/// Parts of all work for each thread, so that none waits long for the last: sequences differ in length, and threads in
/// speed.
constexpr std::int64_t kPartsPerThread = 2;

void expect_matrix(ConstMatrixView view, std::int64_t rows, std::int64_t cols) {
  if (view.rows == rows && view.cols == cols) return;
  fail(ErrorCode::internal, "selective_scan: expected [{}, {}], got [{}, {}]", rows, cols, view.rows, view.cols);
}

void check_heads(const ScanInputs& in) {
  const bool divides = in.num_heads >= 1 && in.num_groups >= 1 && in.num_heads % in.num_groups == 0 && in.x.cols >= 1 &&
                       in.x.cols % in.num_heads == 0 && in.b.cols >= 1 && in.b.cols % in.num_groups == 0;
  if (!divides || in.offsets.empty()) {
    fail(ErrorCode::internal, "selective_scan: {} heads in {} groups, x of {} columns, b of {}, {} offsets",
         in.num_heads, in.num_groups, in.x.cols, in.b.cols, in.offsets.size());
  }
}

void check_scan(const ScanInputs& in, std::span<const float> states, ConstMatrixView y) {
  check_heads(in);
  const std::int64_t tokens = in.offsets.back();
  expect_matrix(in.x, tokens, in.x.cols);
  expect_matrix(in.b, tokens, in.b.cols);
  expect_matrix(in.c, tokens, in.b.cols);
  expect_matrix(in.step, tokens, in.num_heads);
  expect_matrix(y, tokens, in.x.cols);
  const auto heads = static_cast<std::size_t>(in.num_heads);
  const std::size_t state_values = (in.offsets.size() - 1) * static_cast<std::size_t>(in.state_values());
  if (in.a.size() != heads || (!in.d.empty() && in.d.size() != heads) ||
      (!in.max_norms.empty() && in.max_norms.size() != heads) || (!states.empty() && states.size() != state_values)) {
    fail(ErrorCode::internal, "selective_scan: {} heads, a of {}, d of {}, {} maximum norms, states of {} for {}",
         heads, in.a.size(), in.d.size(), in.max_norms.size(), states.size(), state_values);
  }
}

/// Some heads of one sequence.
class SequenceScan {
 public:
  SequenceScan(const ScanInputs& inputs, MatrixView y, std::int64_t sequence, simd::HeadRange heads)
      : inputs_(inputs),
        sequence_(sequence),
        state_size_(static_cast<std::size_t>(inputs.state_size())),
        head_dim_(static_cast<std::size_t>(inputs.head_dim())) {
    chunk_.inputs = &inputs;
    chunk_.y = y;
    chunk_.heads = heads;
  }

  /// `states`: of all heads of all sequences, or empty.
  void run(std::span<float> states, AlignedBuffer<float>& scratch, ScanObserver* observer) {
    if (!states.empty()) states = states.subspan(first_value(), num_heads() * state_size_ * head_dim_);
    place(states, scratch);
    load(states);
    const auto s = static_cast<std::size_t>(sequence_);
    const std::int64_t begin = inputs_.offsets[s];
    const std::int64_t end = inputs_.offsets[s + 1];
    const auto scan_chunk = simd::scan_chunk();
    for (std::int64_t token = begin; token < end; token += kScanChunk) {
      const std::int64_t length = std::min(kScanChunk, end - token);
      chunk_.first_token = token;
      chunk_.length = static_cast<std::size_t>(length);
      chunk_.keep_states = !states.empty() || observer != nullptr || token + length < end;
      scan_chunk(chunk_);
      chunk_.from_zero = false;
      if (observer != nullptr) show(*observer, token + length - begin);
    }
    store(states);
  }

 private:
  std::size_t num_heads() const noexcept { return static_cast<std::size_t>(chunk_.heads.end - chunk_.heads.begin); }

  /// Where these heads begin in the states of all sequences.
  std::size_t first_value() const noexcept {
    const auto heads = static_cast<std::size_t>(sequence_ * inputs_.num_heads + chunk_.heads.begin);
    return heads * state_size_ * head_dim_;
  }

  /// States whose rows are whole vectors are changed where they lie.
  bool in_place(std::span<const float> states) const { return !states.empty() && head_dim_ % simd::kScanLanes == 0; }

  void place(std::span<float> states, AlignedBuffer<float>& scratch) {
    chunk_.state_stride = round_up(head_dim_, simd::kScanLanes);
    chunk_.head_stride = state_size_ * chunk_.state_stride;
    chunk_.from_zero = states.empty();
    float* own = simd::place_arrays(scratch, [&](simd::ScratchArena& arena) {
      chunk_.buffers = simd::take_scan_buffers(arena, inputs_);
      return arena.take<float>(in_place(states) ? 0 : num_heads() * chunk_.head_stride);
    });
    chunk_.states = in_place(states) ? states.data() : own;
  }

  void load(std::span<const float> states) {
    if (states.empty() || in_place(states)) return;
    for (std::size_t row = 0; row < num_heads() * state_size_; ++row) {
      float* to = chunk_.states + row * chunk_.state_stride;
      std::copy_n(states.data() + row * head_dim_, head_dim_, to);
      std::fill(to + head_dim_, to + chunk_.state_stride, 0.0F);
    }
  }

  void store(std::span<float> states) const {
    if (states.empty() || in_place(states)) return;
    for (std::size_t row = 0; row < num_heads() * state_size_; ++row) {
      std::copy_n(chunk_.states + row * chunk_.state_stride, head_dim_, states.data() + row * head_dim_);
    }
  }

  void show(ScanObserver& observer, std::int64_t tokens) const {
    for (std::int64_t head = chunk_.heads.begin; head < chunk_.heads.end; ++head) {
      const auto at = static_cast<std::size_t>(head - chunk_.heads.begin) * chunk_.head_stride;
      observer.on_state(sequence_, head, tokens,
                        ConstMatrixView(chunk_.states + at, inputs_.state_size(), inputs_.head_dim(),
                                        static_cast<std::int64_t>(chunk_.state_stride)));
    }
  }

  const ScanInputs& inputs_;
  std::int64_t sequence_;
  std::size_t state_size_;
  std::size_t head_dim_;
  simd::ScanChunk chunk_{};
};

/// In how many parts the heads of each sequence are scanned. Every part computes what its heads have in common anew.
std::int64_t parts_of_heads(const Execution& execution, const ScanInputs& inputs, std::int64_t num_sequences) {
  if (execution.threads() == 1) return 1;
  const std::int64_t parts = kPartsPerThread * execution.threads();
  return std::clamp<std::int64_t>((parts + num_sequences - 1) / num_sequences, 1, inputs.num_heads);
}

}  // namespace

void selective_scan(const Execution& execution, const ScanInputs& inputs, std::span<float> states, MatrixView y,
                    ScanObserver* observer) {
  check_scan(inputs, states, y);
  const auto num_sequences = static_cast<std::int64_t>(inputs.offsets.size()) - 1;
  if (num_sequences == 0) return;
  const std::int64_t heads = inputs.num_heads;
  const auto scan = [&](std::int64_t sequence, simd::HeadRange range, int worker) {
    SequenceScan(inputs, y, sequence, range).run(states, execution.scratch(worker).scan, observer);
  };
  if (inputs.offsets.back() * inputs.state_values() < kMinSharedWork) {
    for (std::int64_t sequence = 0; sequence < num_sequences; ++sequence) scan(sequence, {0, heads}, 0);
    return;
  }
  const std::int64_t parts = parts_of_heads(execution, inputs, num_sequences);
  execution.for_each(num_sequences * parts, [&](std::int64_t index, int worker) {
    const std::int64_t part = index % parts;
    scan(index / parts, {part * heads / parts, (part + 1) * heads / parts}, worker);
  });
}

}  // namespace treble::internal
