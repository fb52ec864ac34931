#include "treble/provenance.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <string>
#include <string_view>

#include "encoder.h"
#include "options.h"
#include "provenance.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace treble::python {

void bind_provenance(nb::module_& module) {
  module.def(
      "provenance_json",
      [](const Encoder& encoder, const EncodeOptions& options) {
        const nb::gil_scoped_release released;
        return provenance_json(encoder.get(), options);
      },
      "encoder"_a, "options"_a,
      "All that vectors of this model under these options depend on, by content, as JSON; docs/outputs.md lists the "
      "fields. Hashes the model's files at the first call.");
  module.def(
      "vector_identity_json", [](std::string_view provenance) { return vector_identity_json(provenance); },
      "provenance"_a, "The part of a provenance that vectors depend on: what two runs must agree in.");
}

}  // namespace treble::python
