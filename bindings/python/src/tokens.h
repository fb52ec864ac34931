// Tokens: their ids and their vectors.
#pragma once

#include <nanobind/nanobind.h>

namespace treble::python {

void bind_tokens(nanobind::module_& module);

}  // namespace treble::python
