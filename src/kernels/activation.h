// Activation functions under the names that Hugging Face configs use.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace treble::internal {

enum class Activation {
  identity,
  gelu,       ///< exact, x Φ(x) with erf: "gelu"
  gelu_tanh,  ///< tanh approximation: "gelu_new", "gelu_pytorch_tanh", "gelu_fast"
  relu,
  silu,  ///< "silu", "swish"
  tanh,
  sigmoid,
};

/// All names that are known.
std::vector<std::string_view> activation_names();

/// Nothing for a name that no supported model uses.
std::optional<Activation> activation_from_name(std::string_view name) noexcept;

/// The name to show: "gelu", "gelu_tanh", …
std::string_view activation_name(Activation activation) noexcept;

/// How close to its definition an activation comes.
enum class ActivationAccuracy {
  float32,   ///< within 2e-6
  bfloat16,  ///< within 1.2e-4, for results that are then rounded to 8 bits; gelu takes half the time
};

}  // namespace treble::internal
