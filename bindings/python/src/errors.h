// Errors of the library as exceptions of Python.
#pragma once

#include <nanobind/nanobind.h>

#include "treble/error.h"

namespace treble::python {

/// From now on a treble::Error that leaves a function of the module is raised as its class in treble.errors, with
/// `code`, `text_index` and `file`.
void translate_errors();

/// The exception that such an error is raised as; needs the GIL.
nanobind::object to_python(const Error& error);

/// The error table, as (name, name of the built-in exception) of each code.
void bind_errors(nanobind::module_& module);

}  // namespace treble::python
