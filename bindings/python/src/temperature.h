// Temperature schedules and profiles.
#pragma once

#include <nanobind/nanobind.h>

namespace treble::python {

void bind_temperature(nanobind::module_& module);

}  // namespace treble::python
