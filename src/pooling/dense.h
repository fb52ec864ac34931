// A feed-forward layer after pooling.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include "kernels/execution.h"
#include "kernels/linear.h"
#include "pooling/module_config.h"
#include "tensor/view.h"

namespace treble::internal {

/// y = activation(x W^T + b), and where the config says use_residual: + x, or + x R^T where the widths differ.
/// Immutable; `run` may be called from several threads at once.
class Dense {
 public:
  /// Reads config.json and the weights of a module's folder. Throws Error{invalid_file, unsupported, not_found}.
  static Dense load(const std::filesystem::path& folder);

  /// x [rows, in_features], y [rows, out_features], both dense; y must not overlap x.
  void run(const Execution& execution, ConstMatrixView x, MatrixView y) const;

  const DenseConfig& config() const noexcept { return config_; }

 private:
  Dense(DenseConfig config, Linear linear, std::optional<Linear> residual)
      : config_(std::move(config)), linear_(std::move(linear)), residual_(std::move(residual)) {}

  DenseConfig config_;
  Linear linear_;
  std::optional<Linear> residual_;
};

}  // namespace treble::internal
