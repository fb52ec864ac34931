#include "state.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <filesystem>
#include <functional>
#include <string>

#include "treble/state_control.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

namespace {

void bind_norms(nb::module_& module) {
  nb::class_<StateNorms>(module, "StateNorms",
                         "The largest Frobenius norm that the state of each head may have, for norm:FILE.")
      .def_static("read", &read_state_norms, "path"_a, "Reads a file of norms.")
      .def(
          "write", [](const StateNorms& self, const std::filesystem::path& path) { write_state_norms(path, self); },
          "path"_a, "Writes the file, whole or not at all; one that exists is replaced.")
      .def(
          "to_json", [](const StateNorms& self) { return to_json(self); }, "What its file holds.")
      .def_ro("max_norms", &StateNorms::max_norms, "[layer][head], each above 0.")
      .def_ro("model", &StateNorms::model, "The name of the model they are for.")
      .def_ro("weights_sha256", &StateNorms::weights_sha256, "Of the encoder's weights.")
      .def_ro("tokens", &StateNorms::tokens, "Of each text that was measured.")
      .def_ro("texts", &StateNorms::texts, "That were measured.");
}

}  // namespace

void bind_state(nb::module_& module) {
  bind_norms(module);
  nb::class_<StateControl>(module, "StateControl",
                           "How the states of a Mamba-2 model are held in bounds on long texts: what a temperature is "
                           "for attention. \"none\" is the model as trained, bit for bit.")
      .def_static(
          "parse", [](const std::string& text) { return StateControl::parse(text); }, "text"_a,
          "\"none\", \"rri:A,B\", \"window:R\", \"norm:P\", or \"norm:FILE\" of a file that ends in .json.")
      .def_static("from_norms", &StateControl::from_norms, "norms"_a, "name"_a = "norms", "Norms in memory.")
      .def_static(
          "identity", [] { return StateControl(); }, "The untouched model.")
      .def_prop_ro("is_identity", &StateControl::is_identity, "True when nothing is changed.")
      .def("canonical", &StateControl::canonical, "What determines the result, and nothing else.")
      .def("__str__", &StateControl::to_string)
      .def("__repr__", [](const StateControl& self) { return "StateControl('" + self.to_string() + "')"; })
      .def("__hash__", [](const StateControl& self) { return std::hash<std::string>()(self.canonical()); })
      .def(
          "__eq__",
          [](const StateControl& self, const StateControl& other) { return self.canonical() == other.canonical(); },
          nb::is_operator(), nb::sig("def __eq__(self, arg: object, /) -> bool"))
      .def("__getstate__", [](const StateControl& self) { return self.to_string(); })
      .def("__setstate__",
           [](StateControl& self, const std::string& text) { new (&self) StateControl(StateControl::parse(text)); });
}

}  // namespace treble::python
