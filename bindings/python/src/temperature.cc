#include "temperature.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <filesystem>
#include <optional>
#include <string>

#include "treble/temperature.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

std::optional<std::string> matched_name(const TemperatureProfile& profile) {
  if (!profile.matched) return std::nullopt;
  return to_string(*profile.matched);
}

void bind_profile(nb::module_& module) {
  nb::class_<TemperatureProfile>(module, "TemperatureProfile",
                                 "A table of logit scales over length, layer and head, as `calibrate` makes it.")
      .def_static("read", &read_profile, "path"_a, "Reads a profile's file.")
      .def(
          "write", [](const TemperatureProfile& self, const std::filesystem::path& path) { write_profile(path, self); },
          "path"_a, "Writes the file, whole or not at all; one that exists is replaced.")
      .def(
          "to_json", [](const TemperatureProfile& self) { return to_json(self); }, "What its file holds.")
      .def_ro("lengths", &TemperatureProfile::lengths, "Rising, in tokens.")
      .def_ro("logit_scales", &TemperatureProfile::logit_scales, "[layer][head][length]: 1 / temperature.")
      .def_ro("model", &TemperatureProfile::model, "The name of the model it is for.")
      .def_ro("weights_sha256", &TemperatureProfile::weights_sha256, "Of the encoder's weights.")
      .def_prop_ro("matched", &matched_name, "What was made equal: \"filter_rate\", \"entropy\".")
      .def_ro("reference_length", &TemperatureProfile::reference_length, "In tokens, where the scale is 1.")
      .def_ro("texts", &TemperatureProfile::texts, "That were measured.")
      .def_ro("seed", &TemperatureProfile::seed, "Of their choice.")
      .def_prop_ro("num_layers", &TemperatureProfile::num_layers)
      .def_prop_ro("num_heads", &TemperatureProfile::num_heads, "1 when heads are not told apart.");
}

}  // namespace

void bind_temperature(nb::module_& module) {
  bind_profile(module);
  nb::class_<Temperature>(module, "Temperature",
                          "The temperature of attention: a number, or a schedule over the number of tokens, the layer "
                          "and the head. Below 1 sharpens attention; 1 is the model as trained, bit for bit.")
      .def_static("constant", &Temperature::constant, "tau"_a, "One value everywhere.")
      .def_static(
          "parse", [](const std::string& text) { return Temperature::parse(text); }, "text"_a,
          "\"0.8\", \"log:N0\", \"ssmax:S[,B]\", \"yarn:N0\", \"match:FILE\", or a file that ends in .json.")
      .def_static("from_profile", &Temperature::from_profile, "profile"_a, "name"_a = "profile", "A profile in memory.")
      .def_static(
          "identity", [] { return Temperature(); }, "The untouched model.")
      .def("logit_scale", &Temperature::logit_scale, "layer"_a, "head"_a, "n"_a,
           "1 / temperature for a query that attends to n keys.")
      .def_prop_ro("is_identity", &Temperature::is_identity, "True when nothing is changed.")
      .def_prop_ro("depends_on_length", &Temperature::depends_on_length,
                   "True for schedules that cannot be baked into weights.")
      .def("canonical", &Temperature::canonical, "What determines the scales, and nothing else.")
      .def("__str__", &Temperature::to_string)
      .def("__repr__", [](const Temperature& self) { return "Temperature('" + self.to_string() + "')"; })
      .def("__hash__", [](const Temperature& self) { return std::hash<std::string>()(self.canonical()); })
      .def(
          "__eq__",
          [](const Temperature& self, const Temperature& other) { return self.canonical() == other.canonical(); },
          nb::is_operator(), nb::sig("def __eq__(self, arg: object, /) -> bool"))
      .def("__getstate__", [](const Temperature& self) { return self.to_string(); })
      .def("__setstate__",
           [](Temperature& self, const std::string& text) { new (&self) Temperature(Temperature::parse(text)); });
}

}  // namespace treble::python
