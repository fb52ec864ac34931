// Outputs other than dense vectors.
#pragma once

#include <nanobind/nanobind.h>

namespace treble::python {

void bind_outputs(nanobind::module_& module);

}  // namespace treble::python
