#include "kernels/activation.h"

#include <array>
#include <utility>

namespace treble::internal {

namespace {

constexpr std::array<std::pair<std::string_view, Activation>, 14> kNames = {{
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_python_tanh", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"gelu_accurate", Activation::gelu_tanh},
    {"relu", Activation::relu},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"tanh", Activation::tanh},
    {"sigmoid", Activation::sigmoid},
    {"linear", Activation::identity},
    {"identity", Activation::identity},
}};

}  // namespace

std::vector<std::string_view> activation_names() {
  std::vector<std::string_view> names;
  names.reserve(kNames.size());
  for (const auto& [name, activation] : kNames) names.push_back(name);
  return names;
}

std::optional<Activation> activation_from_name(std::string_view name) noexcept {
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

}  // namespace treble::internal
