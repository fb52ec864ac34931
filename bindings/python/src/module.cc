// The extension module treble._treble: the public headers as Python sees them. What is nice about them is in Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "analysis.h"
#include "encoder.h"
#include "errors.h"
#include "multi_vector.h"
#include "options.h"
#include "outputs.h"
#include "precision.h"
#include "provenance.h"
#include "queue.h"
#include "state.h"
#include "temperature.h"
#include "tokens.h"
#include "treble/version.h"

namespace nb = nanobind;

NB_MODULE(_treble, module) {
  // Nothing is ever printed, objects that live to the end of the interpreter included.
  nb::set_leak_warnings(false);
  treble::python::translate_errors();
  module.def("version", &treble::version);
  module.def("numerics_version", &treble::numerics_version);
  module.def("git_commit", &treble::git_commit);
  module.def("cpu_path", &treble::cpu_path);
  module.def("library_versions", &treble::library_versions);
  treble::python::bind_errors(module);
  treble::python::bind_temperature(module);
  treble::python::bind_state(module);
  treble::python::bind_options(module);
  treble::python::bind_encoder(module);
  treble::python::bind_provenance(module);
  treble::python::bind_precision(module);
  treble::python::bind_tokens(module);
  treble::python::bind_outputs(module);
  treble::python::bind_multi_vector(module);
  treble::python::bind_queue(module);
  treble::python::bind_inspect(module);
  treble::python::bind_sweep(module);
  treble::python::bind_temperature_makers(module);
  treble::python::bind_post(module);
}
