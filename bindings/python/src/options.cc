#include "options.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <optional>

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

ComputeType parse_dtype(const std::string& name) {
  return parse_enum(name, "a dtype", ComputeType::float32, ComputeType::automatic);
}

PositionExtension parse_extension(const std::string& name) {
  return parse_enum(name, "an extension", PositionExtension::none, PositionExtension::ntk_long);
}

Truncation parse_truncation(const std::string& name) {
  return parse_enum(name, "a truncation", Truncation::end, Truncation::error);
}

void bind_options(nb::module_& module) {
  nb::class_<EncodeOptions>(module, "EncodeOptions", "How texts are encoded; see treble.SentenceEncoder.encode.")
      .def(
          "__init__",
          [](EncodeOptions* self, const Temperature& temperature, bool temper_position_bias, const StateControl& state,
             std::optional<std::string> prompt_name, std::optional<std::string> prompt,
             const std::optional<std::string>& truncation, std::optional<std::int64_t> max_length,
             std::optional<bool> normalize, std::optional<std::int64_t> dimensions, std::int64_t batch_tokens) {
            std::optional<Truncation> parsed;
            if (truncation) parsed = parse_truncation(*truncation);
            new (self) EncodeOptions{.temperature = temperature,
                                     .temper_position_bias = temper_position_bias,
                                     .state = state,
                                     .prompt_name = std::move(prompt_name),
                                     .prompt = std::move(prompt),
                                     .truncation = parsed,
                                     .max_length = max_length,
                                     .normalize = normalize,
                                     .dimensions = dimensions,
                                     .batch_tokens = batch_tokens};
          },
          nb::kw_only(), "temperature"_a, "temper_position_bias"_a = true, "state"_a, "prompt_name"_a = nb::none(),
          "prompt"_a = nb::none(), "truncation"_a = nb::none(), "max_length"_a = nb::none(), "normalize"_a = nb::none(),
          "dimensions"_a = nb::none(), "batch_tokens"_a = 0);
}

}  // namespace treble::python
