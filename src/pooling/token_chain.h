// From the hidden states of tokens to the vectors of a multi-vector model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "kernels/execution.h"
#include "pooling/dense.h"
#include "pooling/module_config.h"
#include "tensor/view.h"

namespace treble::internal {

/// Modules that map the vector of a token to another one. Immutable; may be used from several threads at once.
class TokenChain {
 public:
  /// The modules of modules.json. Throws Error{invalid_file, unsupported, not_found} naming the file and the key.
  static TokenChain load(const std::filesystem::path& model_folder, std::int64_t hidden_size);

  /// y = W x + b; weight [dim, hidden size], bias [dim] or empty, which are copied.
  static TokenChain of_linear(std::int64_t hidden_size, std::int64_t dim, std::span<const float> weight,
                              std::span<const float> bias);

  /// Vectors of length 1, where the last module does not make them so already.
  void normalize();

  /// rows [n, hidden size] → out [n, dim()]; each row of out depends on its own row alone. A NaN shows in the row.
  /// Throws Error{internal} when shapes disagree.
  void run(const Execution& execution, ConstMatrixView rows, MatrixView out) const;

  std::int64_t dim() const noexcept { return dim_; }
  /// Of the model's MultiVectorMask, if it has one.
  const std::optional<MultiVectorMaskConfig>& mask() const noexcept { return mask_; }
  /// A line a module, for `treble info`.
  const std::vector<std::string>& descriptions() const noexcept { return descriptions_; }
  /// What the modules' files say that is not used.
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  struct Normalize {};
  using Step = std::variant<Dense, Normalize>;

  explicit TokenChain(std::int64_t hidden_size) : hidden_size_(hidden_size), dim_(hidden_size) {}
  void add_dense(Dense dense);
  void add_module(const ModuleEntry& entry, const std::filesystem::path& folder);
  void note_unused(const std::filesystem::path& folder, const std::vector<std::string>& keys);

  std::int64_t hidden_size_;
  std::int64_t dim_;
  std::vector<Step> steps_;
  std::optional<MultiVectorMaskConfig> mask_;
  std::vector<std::string> descriptions_;
  std::vector<std::string> warnings_;
};

}  // namespace treble::internal
