// Vectors in fewer bits.
#pragma once

#include <nanobind/nanobind.h>

namespace treble::python {

void bind_precision(nanobind::module_& module);

}  // namespace treble::python
