#include "kernels/activation.h"

#include <array>
#include <utility>

namespace treble {

std::optional<Activation> activation_from_name(std::string_view name) noexcept {
  constexpr std::array<std::pair<std::string_view, Activation>, 13> kNames = {{
      {"identity", Activation::identity},
      {"linear", Activation::identity},
      {"gelu", Activation::gelu},
      {"gelu_python", Activation::gelu},
      {"gelu_new", Activation::gelu_tanh},
      {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"gelu_fast", Activation::gelu_tanh},
      {"gelu_python_tanh", Activation::gelu_tanh},
      {"relu", Activation::relu},
      {"silu", Activation::silu},
      {"swish", Activation::silu},
      {"tanh", Activation::tanh},
      {"sigmoid", Activation::sigmoid},
  }};
  for (const auto& [candidate, activation] : kNames) {
    if (candidate == name) return activation;
  }
  return std::nullopt;
}

std::string_view activation_name(Activation activation) noexcept {
  switch (activation) {
    case Activation::identity: return "identity";
    case Activation::gelu: return "gelu";
    case Activation::gelu_tanh: return "gelu_tanh";
    case Activation::relu: return "relu";
    case Activation::silu: return "silu";
    case Activation::tanh: return "tanh";
    case Activation::sigmoid: return "sigmoid";
  }
  return "unknown";
}

}  // namespace treble
