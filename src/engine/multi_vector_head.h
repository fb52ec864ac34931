// What a loaded model makes of hidden states where every token gets a vector, and how it reads texts for that.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/encoder_access.h"
#include "engine/model_folder.h"
#include "engine/multi_vector_config.h"
#include "models/encoder.h"
#include "pooling/token_chain.h"
#include "tokenizer/tokenizer.h"
#include "treble/output_options.h"

namespace treble::internal {

/// Immutable; may be used from several threads at once.
class MultiVectorHead {
 public:
  /// Of a model whose settings have `multi_vector`, after make_marks_special. Throws Error{invalid_file, unsupported,
  /// not_found} naming the file and the key or tensor.
  static std::unique_ptr<const MultiVectorHead> load(const ModelSettings& settings, const Encoder& encoder,
                                                     const Tokenizer& tokenizer);

  /// BGE-M3's (Chen et al., arXiv 2402.03216): a linear layer over the tokens behind the first, of length 1; texts are
  /// read as for its other outputs. Nothing where the folder has no kTokenVectorsFile. Throws Error{invalid_file,
  /// unsupported} naming the file and the tensor.
  static std::unique_ptr<const MultiVectorHead> load_beside(const ModelParts& parts, const Encoder& encoder);

  /// The rows of a sequence that have a vector, among those from `first` to `end` of the batch.
  std::vector<std::int64_t> scored_rows(const PackedBatch& batch, std::int64_t sequence, TextRole role) const;

  /// Whether queries and documents are read each in a way of their own.
  bool reads_by_role() const noexcept { return settings_.form != MultiVectorForm::beside; }

  const TokenChain& chain() const noexcept { return chain_; }
  const MultiVectorSettings& settings() const noexcept { return settings_; }

  /// How texts of a role are read: with the prompt of its mark and the limit of its length, where the caller names
  /// neither. `max_length`: the model's. Throws Error{invalid_argument} for a limit that the model's queries cannot
  /// have.
  EncodeOptions reading(const EncodeOptions& options, TextRole role, std::int64_t max_length) const;

  /// What texts are filled up with; nothing: they are not.
  std::optional<TokenExpansion> expansion(TextRole role) const;

  /// A line a module, and one on how texts are read, for `treble info`.
  std::vector<std::string> descriptions() const;
  std::vector<std::string> warnings() const;

 private:
  MultiVectorHead(TokenChain chain, MultiVectorSettings settings)
      : chain_(std::move(chain)), settings_(std::move(settings)) {}
  void find_tokens(const ModelSettings& settings, const Tokenizer& tokenizer);
  void check_expansion(const ModelSettings& settings, const Encoder& encoder) const;

  TokenChain chain_;
  MultiVectorSettings settings_;
  std::vector<std::int32_t> skipped_;  ///< sorted
  std::vector<std::int32_t> kept_;     ///< of documents, sorted; empty: all
  bool skips_in_queries_ = false;
  bool skips_in_documents_ = true;
  std::int32_t expansion_id_ = 0;
  bool limited_by_call_ = false;  ///< the tokenizer's arguments state a limit that counts for documents
  std::vector<std::string> warnings_;
};

/// Where a mark ("[Q] ") is a token of the vocabulary that the tokenizer does not make of its text, it does from now
/// on.
void make_marks_special(const MultiVectorSettings& settings, Tokenizer& tokenizer);

}  // namespace treble::internal
