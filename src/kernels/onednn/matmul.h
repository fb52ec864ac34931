// Matrix products with packed weights by oneDNN, and what this CPU can do of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace treble::internal::onednn {

/// What goes in and what comes out.
enum class MatmulKind {
  float32,                   ///< f32 x f32 → f32
  bfloat16,                  ///< bf16 x bf16 → f32, sums in float32
  bfloat16_output_bfloat16,  ///< bf16 x bf16 → bf16, likewise
  int8,                      ///< u8 x s8 → s32, exact within int8_range()
};

/// Whether the CPU multiplies bfloat16 itself (AVX512-BF16, AMX or AVX-VNNI-2), within ONEDNN_MAX_CPU_ISA.
bool has_bfloat16();

/// Whether it does so with AVX-512.
bool has_avx512_bfloat16();

/// Codes of which every product and sum is exact. Without VNNI the CPU adds neighbouring products, of inputs 2i and
/// 2i + 1, in 16 bits that saturate; what is lost is shared between sources and weights.
struct Int8Range {
  std::int32_t source = 255;  ///< sources are 0 … source
  std::int32_t weight = 127;  ///< weights are −weight … weight
  std::int32_t pair = 254;    ///< greatest |w₂ᵢ + w₂ᵢ₊₁|
};
Int8Range int8_range();

/// Whether the CPU has VNNI, within ONEDNN_MAX_CPU_ISA.
bool has_vnni();

/// Whether the CPU has AVX2 and nothing above it, within ONEDNN_MAX_CPU_ISA.
bool has_avx2_alone();
/// Whether the CPU has AVX-512 with VNNI and not AMX, within ONEDNN_MAX_CPU_ISA.
bool has_avx512_vnni_alone();

/// The instruction set in force, as oneDNN names it: "AVX2", "AVX512_CORE_VNNI", …
std::string isa_name();

/// Raw elements, row-major: the packed weights' and biases' type follows from the kind.
struct MatmulWeights {
  std::int64_t in = 0;
  std::int64_t out = 0;
  const void* data = nullptr;        ///< [out, in] of the kind's weight type
  std::int64_t stride = 0;           ///< elements from a row to the next
  std::span<const float> bias = {};  ///< [out] or empty; not with int8
  bool accumulate = false;           ///< add to what the target holds; not with bfloat16_output_bfloat16 and int8
};

/// Immutable; `run` may be called from several threads at once, and runs on the calling thread alone.
class Matmul {
 public:
  Matmul(MatmulKind kind, const MatmulWeights& weights);
  Matmul(Matmul&&) noexcept;
  Matmul& operator=(Matmul&&) noexcept;
  ~Matmul();

  /// source [rows, in] and target [rows, out], dense, of the kind's types.
  void run(std::int64_t rows, const void* source, void* target) const;

  /// Outputs of one of `parts` equal parts (the last may be smaller); out_features() where the packed weights cannot be
  /// divided so.
  std::int64_t part_columns(int parts) const;
  /// The same as run for outputs [begin, end), one of those parts; target is [rows, end − begin], dense.
  void run_columns(std::int64_t rows, std::int64_t begin, std::int64_t end, const void* source, void* target) const;

  /// Rows a call that suit it best: with few, activations stay in the second-level cache, but oneDNN's int8 products
  /// without VNNI rearrange their weights in every call.
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
