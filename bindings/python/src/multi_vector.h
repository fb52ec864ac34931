// Scores of multi-vector outputs.
#pragma once

#include <nanobind/nanobind.h>

namespace treble::python {

void bind_multi_vector(nanobind::module_& module);

}  // namespace treble::python
