#include "pooling/dense.h"

#include <utility>
#include <vector>

#include "kernels/row_ops.h"
#include "pooling/module_weights.h"

namespace treble::internal {

Dense::Dense(DenseConfig config, std::span<const float> weight, std::span<const float> bias)
    : config_(std::move(config)),
      linear_(ConstMatrixView(weight.data(), config_.out_features, config_.in_features), bias,
              {.activation = config_.activation}) {}

Dense Dense::load(const std::filesystem::path& folder, VectorsOf vectors) {
  const DenseConfig config = parse_dense_config(JsonObject::from_file(folder / "config.json"), vectors);
  const std::int64_t in = config.in_features;
  const std::int64_t out = config.out_features;
  ModuleWeights weights(folder);
  const std::vector<float> weight = weights.take("linear.weight", {out, in});
  const std::vector<float> bias = config.bias ? weights.take("linear.bias", {out}) : std::vector<float>();
  Dense dense(config, weight, bias);
  if (config.use_residual && in != out) {
    const std::vector<float> projection = weights.take("residual.weight", {out, in});
    dense.residual_.emplace(ConstMatrixView(projection.data(), out, in), std::span<const float>(),
                            Linear::Options{.accumulate = true});
  }
  weights.check_all_taken();
  return dense;
}

void Dense::run(const Execution& execution, ConstMatrixView x, MatrixView y) const {
  linear_.run(execution, x, y);
  if (residual_) {
    residual_->run(execution, x, y);
  } else if (config_.use_residual) {
    for (std::int64_t row = 0; row < y.rows; ++row) add_row(x.row_span(row), y.row_span(row));
  }
}

}  // namespace treble::internal
