// The feed-forward networks of a block and what stands in their place or behind them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/fail.h"
#include "kernels/compute_isa.h"
#include "models/encoder_builder.h"

namespace treble::internal {

namespace {

/// [rows, cols] → [cols, rows], in squares that stay in the first-level cache.
AlignedBuffer<float> transpose(ConstMatrixView matrix) {
  constexpr std::int64_t kSquare = 32;
  AlignedBuffer<float> result(static_cast<std::size_t>(matrix.rows * matrix.cols));
  for (std::int64_t top = 0; top < matrix.rows; top += kSquare) {
    for (std::int64_t left = 0; left < matrix.cols; left += kSquare) {
      for (std::int64_t row = top; row < std::min(matrix.rows, top + kSquare); ++row) {
        for (std::int64_t col = left; col < std::min(matrix.cols, left + kSquare); ++col) {
          result.data()[col * matrix.rows + row] = matrix.row(row)[col];
        }
      }
    }
  }
  return result;
}

/// Swaps the two halves of the rows: "up, gate" becomes "gate, up".
void swap_halves(std::span<float> rows) {
  std::rotate(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2), rows.end());
}

}  // namespace

/// Of a layer whose output is the input of another Linear.
Linear::Options EncoderBuilder::intermediate_options() const {
  return {.type = type_,
          .bfloat16_output = type_ == ComputeType::bfloat16 && supports_bf16_activations(type_),
          .calibration = calibration_};
}

Linear EncoderBuilder::gate_up(std::int64_t group) const {
  const std::int64_t wide = config_.intermediate_size;
  if (names_.gate_up.empty() && names_.gate.empty()) {
    fail(ErrorCode::invalid_file,
         "{}: the feed-forward network has no gate, config.json asks for one; the two belong to different models",
         loader_.place(name_of(names_.up, group) + ".weight"));
  }
  if (names_.gate_up.empty()) {
    return linear({name_of(names_.gate, group), name_of(names_.up, group)}, {wide, wide}, config_.hidden_size,
                  config_.up_bias, intermediate_options());
  }
  if (names_.gate_first) {
    return linear({name_of(names_.gate_up, group)}, {2 * wide}, config_.hidden_size, config_.up_bias,
                  intermediate_options());
  }
  const std::string stem = name_of(names_.gate_up, group);
  std::vector<NamedShape> tensors = {{stem + ".weight", {2 * wide, config_.hidden_size}}};
  if (config_.up_bias) tensors.push_back({stem + ".bias", {2 * wide}});
  return make_linear(stem, tensors, 2 * wide, config_.hidden_size, intermediate_options(), [&] {
    LinearWeights weights{loader_.matrix(stem + ".weight", 2 * wide, config_.hidden_size)};
    swap_halves({weights.weight.data(), static_cast<std::size_t>(2 * wide * config_.hidden_size)});
    if (config_.up_bias) {
      weights.bias = loader_.vector(stem + ".bias", 2 * wide);
      swap_halves(weights.bias);
    }
    return weights;
  });
}

FeedForward EncoderBuilder::feed_forward(std::int64_t group) const {
  const std::int64_t wide = config_.intermediate_size;
  const bool accumulate = config_.norm_placement != NormPlacement::sandwich;
  Linear down = linear({name_of(names_.down, group)}, {config_.hidden_size}, wide, config_.down_bias,
                       {.accumulate = accumulate, .type = type_, .calibration = calibration_});
  if (config_.gated) return FeedForward({gate_up(group), std::move(down), true, config_.activation});
  Linear::Options options = intermediate_options();
  options.activation = config_.activation;
  Linear up = linear({name_of(names_.up, group)}, {wide}, config_.hidden_size, config_.up_bias, options);
  return FeedForward({std::move(up), std::move(down)});
}

FeedForward EncoderBuilder::expert(std::int64_t group, std::int64_t index) const {
  const std::int64_t hidden = config_.hidden_size;
  const std::int64_t wide = config_.experts.width;
  const std::string up = name_of(names_.expert_up, group);
  const std::string down = name_of(names_.expert_down, group);
  const std::int64_t all_rows = config_.experts.count * wide;
  const auto rows_of = [&](const std::string& name) {
    return loader_.matrix_rows(name, all_rows, hidden, index * wide, wide);
  };
  Linear::Options options = intermediate_options();
  options.activation = config_.activation;
  return FeedForward({make_linear(fmt::format("{}.{}", up, index), {{up, {all_rows, hidden}}}, wide, hidden, options,
                                  [&] { return LinearWeights{rows_of(up)}; }),
                      make_linear(fmt::format("{}.{}", down, index), {{down, {all_rows, hidden}}}, hidden, wide,
                                  linear_options(), [&] {
                                    const AlignedBuffer<float> stored = rows_of(down);
                                    return LinearWeights{transpose(ConstMatrixView(stored.data(), wide, hidden))};
                                  })});
}

MixtureOfExperts EncoderBuilder::mixture(std::int64_t group) const {
  const ExpertsConfig& config = config_.experts;
  const std::string router = name_of(names_.expert_router, group) + ".weight";
  std::vector<FeedForward> networks;
  networks.reserve(static_cast<std::size_t>(config.count));
  for (std::int64_t index = 0; index < config.count; ++index) networks.push_back(expert(group, index));
  return MixtureOfExperts({.router = ExpertRouter({loader_.matrix(router, config.count, config_.hidden_size),
                                                   config.count, config.active, config.normalized}),
                           .experts = std::move(networks),
                           .bias = loader_.vector(name_of(names_.expert_bias, group), config_.hidden_size)});
}

PerLayerInput EncoderBuilder::per_layer_input(std::int64_t group) const {
  const std::int64_t width = config_.per_layer_width;
  const Linear::Options options = linear_options();
  const std::string signal = names_.per_layer_signal + ".weight";
  const std::int64_t all_rows = config_.num_layers * width;
  const auto read_signal = [&] {
    LinearWeights weights{loader_.matrix_rows(signal, all_rows, config_.hidden_size, group * width, width)};
    // The norm that follows has an eps, so the scale matters.
    const float scale = 1.0F / std::sqrt(static_cast<float>(config_.hidden_size));
    for (std::int64_t i = 0; i < width * config_.hidden_size; ++i) weights.weight.data()[i] *= scale;
    return weights;
  };
  return PerLayerInput(
      {.signal =
           make_linear(fmt::format("{}.{}", names_.per_layer_signal, group),
                       {{signal, {all_rows, config_.hidden_size}}}, width, config_.hidden_size, options, read_signal),
       .signal_norm = norm(names_.per_layer_signal_norm, width),
       .gate = linear({name_of(names_.per_layer_gate, group)}, {width}, config_.hidden_size, false, options),
       .activation = config_.activation,
       .output = linear({name_of(names_.per_layer_output, group)}, {config_.hidden_size}, width, false, options),
       .result_norm = norm(name_of(names_.per_layer_result_norm, group), config_.hidden_size)});
}

}  // namespace treble::internal
