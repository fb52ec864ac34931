// Inspecting, sweeping, calibrating, baking, fitting.
#pragma once

#include <nanobind/nanobind.h>

namespace treble::python {

void bind_inspect(nanobind::module_& module);
void bind_sweep(nanobind::module_& module);
/// calibrate and bake.
void bind_temperature_makers(nanobind::module_& module);
/// PostFitter and PostTransform.
void bind_post(nanobind::module_& module);

}  // namespace treble::python
