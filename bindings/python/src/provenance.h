// What vectors are made of.
#pragma once

#include <nanobind/nanobind.h>

namespace treble::python {

void bind_provenance(nanobind::module_& module);

}  // namespace treble::python
