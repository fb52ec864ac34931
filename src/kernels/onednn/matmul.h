// GEMMs with packed weights by oneDNN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace treble::internal::onednn {

/// Types of inputs, weights and outputs.
enum class MatmulKind {
  float32,               ///< f32 x f32 → f32
  bfloat16,              ///< bf16 x bf16 → f32, accumulated in float32
  bfloat16_output_bf16,  ///< bf16 x bf16 → bf16, likewise
  int8,                  ///< u8 x s8 → s32, exact within int8_range()
};

/// Raw elements, row-major: the types follow from the kind.
struct MatmulWeights {
  std::int64_t in = 0;
  std::int64_t out = 0;
  const void* data = nullptr;        ///< [out, in] of the kind's weight type
  std::int64_t stride = 0;           ///< elements from a row to the next
  std::span<const float> bias = {};  ///< [out] or empty; not with int8
  bool accumulate = false;           ///< add to what the output holds; only where that is float32
};

/// oneDNN's objects of one thread: its stream, the primitives of the shapes that it has run, their scratchpad. oneDNN
/// itself shares the compiled code of equal primitives within the process. For one thread at a time.
class MatmulContext {
 public:
  MatmulContext();
  MatmulContext(MatmulContext&&) noexcept;
  MatmulContext& operator=(MatmulContext&&) noexcept;
  ~MatmulContext();

 private:
  friend class Matmul;
  struct Impl;
  std::unique_ptr<Impl> impl_;  ///< made at the first use
};

/// Immutable; `run` may be called from several threads at once, each with a context of its own, and runs on the calling
/// thread alone.
class Matmul {
 public:
  Matmul(MatmulKind kind, const MatmulWeights& weights);
  Matmul(Matmul&&) noexcept;
  Matmul& operator=(Matmul&&) noexcept;
  ~Matmul();

  /// x [rows, in] and y [rows, out], dense, of the kind's types.
  void run(MatmulContext& context, std::int64_t rows, const void* x, void* y) const;

  /// Outputs of one of `parts` equal parts (the last may be smaller); out_features() where the packed weights cannot be
  /// split so.
  std::int64_t part_columns(int parts) const;
  /// The same as run for outputs [begin, end), one of those parts; y is [rows, end − begin], dense.
  void run_columns(MatmulContext& context, std::int64_t rows, std::int64_t begin, std::int64_t end, const void* x,
                   void* y) const;

  /// The best number of rows a call: with few, activations stay in the second-level cache, but oneDNN's int8 GEMM
  /// without VNNI reorders its weights in every call.
  std::int64_t typical_rows() const noexcept;

  std::int64_t in_features() const noexcept;
  std::int64_t out_features() const noexcept;
  /// oneDNN's name of what runs `rows` rows, e.g. "brgemm:avx2".
  const char* implementation(std::int64_t rows) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble::internal::onednn
