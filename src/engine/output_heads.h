// What a loaded model makes of hidden states beside, or in place of, dense vectors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/model_folder.h"
#include "engine/multi_vector_head.h"
#include "engine/query_table.h"
#include "models/encoder.h"
#include "pooling/sparse_head.h"
#include "tokenizer/tokenizer.h"
#include "treble/options.h"
#include "treble/output_options.h"

namespace treble::internal {

struct OutputHeads {
  bool dense = true;                                 ///< there are modules that make a vector of a text
  std::unique_ptr<const SparseHead> sparse = {};     ///< null: no such output
  std::optional<std::int64_t> max_active_dims = {};  ///< of sparse outputs where a call does not say
  std::unique_ptr<const QueryTable> queries = {};    ///< reads queries; null: the model does
  std::optional<TextRole> default_role = {};         ///< with `queries`: of texts that a call does not name a role for
  std::unique_ptr<const MultiVectorHead> multi_vector = {};  ///< null: no such output

  bool has(OutputKind kind) const noexcept;
  /// Those that the model has, in the order of the enumeration.
  std::vector<OutputKind> kinds() const;
  /// Throws Error{unsupported} naming what the model has, and what gives it, unless it has this output.
  void require(OutputKind kind, const std::string& model) const;
  /// A line a module beyond those of the dense vectors, for `treble info`.
  std::vector<std::string> descriptions() const;
};

/// What is loaded of a model before its heads, and outlives them in place.
struct LoadedParts {
  const Encoder& encoder;
  const Tokenizer& tokenizer;
};

/// `type`: of the products. Throws Error{invalid_file, unsupported} naming file and key or tensor.
OutputHeads load_output_heads(const ModelSettings& settings, const LoadedParts& loaded, ComputeType type);

}  // namespace treble::internal
