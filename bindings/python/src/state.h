// Control of the state of state-space models.
#pragma once

#include <nanobind/nanobind.h>

namespace treble::python {

void bind_state(nanobind::module_& module);

}  // namespace treble::python
