// A feed-forward layer after pooling.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

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
  static Dense load(const std::filesystem::path& folder, VectorsOf vectors = VectorsOf::texts);

  /// Of weights [out_features, in_features] and a bias [out_features] or none, which are copied.
  Dense(DenseConfig config, std::span<const float> weight, std::span<const float> bias);

  /// x [rows, in_features], y [rows, out_features], both dense; y must not overlap x.
  void run(const Execution& execution, ConstMatrixView x, MatrixView y) const;

  const DenseConfig& config() const noexcept { return config_; }

 private:
  DenseConfig config_;
  Linear linear_;
  std::optional<Linear> residual_;
};

}  // namespace treble::internal
