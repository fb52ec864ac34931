// What follows the encoder in a sentence-transformers folder: the modules of modules.json, in their order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "batch/packed_batch.h"
#include "kernels/activation.h"
#include "kernels/execution.h"
#include "pooling/pooling.h"
#include "tensor/view.h"

namespace treble::internal {

/// What a call may change about the chain.
struct ModuleChainOptions {
  /// True: vectors of length 1. False: leave out the folder's Normalize, if it ends in one. Unset: as the folder says.
  std::optional<bool> normalize = std::nullopt;
  /// The number of leading dimensions to keep (Matryoshka truncation); the result is normalised again if it should be.
  /// Unset: the folder's truncate_dim, or all. (sentence-transformers leaves the cut vectors of a folder that
  /// normalises shorter than 1 unless asked otherwise.)
  std::optional<std::int64_t> dimensions = std::nullopt;
};

/// A layer of a head: norm(activation(W x + b)), the norm being a layer norm or none.
struct ChainLayer {
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::span<const float> weight;  ///< [out, in]
  std::span<const float> bias;    ///< [out]; empty: none
  Activation activation = Activation::identity;
  std::vector<float> norm_gain = {};  ///< [out]; empty: no norm
  std::vector<float> norm_bias = {};
  float norm_eps = 1e-5F;
};

/// Pooling, then any number of modules that map a vector to a vector. Immutable; may be used from several threads at
/// once.
class ModuleChain {
 public:
  /// Reads modules.json and each module's folder. Without modules.json (a plain Hugging Face folder): mean pooling
  /// (last token for an architecture …ForCausalLM whose config does not say is_causal: false), no normalisation, as
  /// sentence-transformers does; folders of modules that say otherwise (1_Pooling with another mode, 2_Dense) are
  /// Error{not_found}, since they miss the modules.json that would give them an order. `hidden_size` is the width of
  /// the hidden states. `is_static`: they are of a StaticEmbedding, whose vector is their mean; without modules.json
  /// (model2vec), "normalize" of config.json says whether its length is 1.
  /// Throws Error{invalid_file, unsupported, not_found} naming the file and the key.
  static ModuleChain load(const std::filesystem::path& model_folder, std::int64_t hidden_size, bool is_static = false);

  /// A head that stands in a model's own weights: what it makes of a text's pooled hidden state [hidden_size] is as
  /// wide as the last layer. The weights are copied.
  static ModuleChain of_head(PoolingMode pooling, std::int64_t hidden_size, std::span<const ChainLayer> layers);

  ModuleChain(ModuleChain&&) noexcept;
  ModuleChain& operator=(ModuleChain&&) noexcept;
  ~ModuleChain();

  /// Width of the vectors. Throws Error{invalid_argument} when options ask for fewer than one dimension or
  /// for more than the model has, naming both.
  std::int64_t output_dim(const ModuleChainOptions& options) const;

  /// hidden [batch.total_tokens(), hidden_size] → out [batch.num_sequences(), full_width()]: what `finish` makes the
  /// vectors of. A NaN in the hidden states shows in the text's row. Throws Error{internal} when shapes disagree.
  void run(const Execution& execution, const PackedBatch& batch, ConstMatrixView hidden, MatrixView out) const;

  /// For a text whose hidden states come in segments.
  TextPool start_text(std::int64_t length, std::int64_t prompt_tokens) const;

  /// After its last segment: → out [full_width()], as of `run`.
  void run(const Execution& execution, const TextPool& text, std::span<float> out) const;

  /// The pooling alone, of the hidden states after any layer: → out [batch.num_sequences(), pooling_width()].
  void pool_only(const Execution& execution, const PackedBatch& batch, ConstMatrixView hidden, MatrixView out) const;

  /// Width of what pooling gives, before the other modules.
  std::int64_t pooling_width() const noexcept;

  /// The vector, [output_dim(options)], of a row that `run` wrote: cut, and scaled to length 1 where it should be.
  void finish(std::span<const float> row, const ModuleChainOptions& options, std::span<float> vector) const;

  std::int64_t full_width() const noexcept;

  /// cls or last_token where a text's vector comes from that token alone, whatever the prompt.
  std::optional<PoolingMode> pooled_token() const;

  /// True when the folder ends in a normalised vector.
  bool normalizes() const noexcept;
  /// At least one; several are laid side by side in this order.
  const std::vector<PoolingMode>& pooling_modes() const noexcept;
  /// A line a module, for `treble info`.
  std::vector<std::string> descriptions() const;
  /// What the modules' files say that is not used.
  std::vector<std::string> warnings() const;
  /// truncate_dim of config_sentence_transformers.json (Matryoshka), if any, at most the full width: applied where
  /// options ask for nothing, as sentence-transformers does.
  std::optional<std::int64_t> default_dimensions() const noexcept;

 private:
  struct Impl;
  explicit ModuleChain(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble::internal
