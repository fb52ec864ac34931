// Encoding for a sweep: batch by batch, each kept in the cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/vector_cache.h"
#include "sweep/text_side.h"
#include "treble/multi_vector.h"
#include "treble/sparse.h"
#include "treble/sweep.h"

namespace treble::internal {

class CachedEncoder {
 public:
  /// Called after each batch with its number of texts, its vectors kept, and with the number of texts whose vectors
  /// are there already (`encoded` false); may throw.
  using BatchCallback = std::function<void(std::size_t texts, bool encoded)>;

  /// `encoder` and the variants must outlive this.
  CachedEncoder(const SentenceEncoder& encoder, const SweepOptions& options, BatchCallback on_batch);

  /// The setting's vectors of some texts, without its fitted step.
  CachedVectors encode(TextSide& side, std::span<const std::size_t> texts, const SweepSetting& setting,
                       const SweepPrompt& prompt) const;
  /// Of a model that gives a vector for each token: all of the texts under the setting, which are not cached.
  MultiVectors encode_multi(const std::vector<std::string>& texts, const SweepSetting& setting,
                            const SweepPrompt& prompt, TextRole role) const;
  /// The same of a model with sparse vectors alone.
  SparseVectors encode_sparse(const std::vector<std::string>& texts, const SweepSetting& setting,
                              const SweepPrompt& prompt, TextRole role) const;
  /// Whether that model reads queries by a table of weights, without its layers.
  bool reads_queries_by_table() const;
  /// Whether scores of token vectors are divided by the query's vectors.
  bool mean_max_sim() const;
  /// To be called for texts of a setting that need not be encoded.
  void skip(std::size_t texts) const { on_batch_(texts, false); }
  /// [text]: the tokens that it has, whatever is read of them.
  std::vector<std::int64_t> count_tokens(TextSide& side, const SweepPrompt& prompt) const;
  /// The longest text that the setting reads as a whole, in tokens. Texts of up to so many have the vector that they
  /// have under any setting of the same form and temperature, bit for bit.
  std::int64_t longest_whole(const SweepSetting& setting) const;
  /// Whether the setting reads all of every text.
  static bool reads_everything(const SweepSetting& setting) { return setting.chunks.has_value(); }
  /// Whether vectors have length 1.
  bool normalizes() const;

 private:
  CachedVectors encode_batch(TextSide& side, std::span<const std::size_t> texts, const SweepSetting& setting,
                             const EncodeOptions& options) const;
  EncodeOptions options_with(const SweepPrompt& prompt) const;
  /// Of some texts at a time. `take` encodes and keeps them.
  void in_batches(const std::vector<std::string>& texts,
                  const std::function<void(std::span<const std::string_view>)>& take) const;
  bool is_extended(const SweepSetting& setting) const;
  std::string key_of(const SweepSetting& setting, const EncodeOptions& options) const;

  std::map<std::string, const SentenceEncoder*> encoders_;  ///< by variant; "": the model itself
  EncodeOptions options_;
  VectorCache cache_;
  BatchCallback on_batch_;
};

}  // namespace treble::internal
