#include "errors.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "treble/error.h"

namespace nb = nanobind;

namespace treble::python {

namespace {

/// Messages may quote a file name, which need not be UTF-8.
nb::object to_str(const std::string& text) {
  return nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
}

void translate(const std::exception_ptr& thrown, void* /*payload*/) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    const nb::object raised = to_python(error);
    PyErr_SetObject(raised.type().ptr(), raised.ptr());
  }
}

std::vector<std::pair<std::string, std::string>> error_table() {
  std::vector<std::pair<std::string, std::string>> table;
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    const ErrorMapping& row = mapping(static_cast<ErrorCode>(code));
    table.emplace_back(row.name, row.python_exception);
  }
  return table;
}

}  // namespace

nb::object to_python(const Error& error) {
  const nb::object make = nb::module_::import_("treble.errors").attr("_from_native");
  nb::object index = nb::none();
  if (error.text_index()) index = nb::int_(*error.text_index());
  nb::object file = nb::none();
  if (!error.file().empty()) file = to_str(error.file().string());
  return make(mapping(error.code()).name, to_str(error.what()), index, file);
}

void translate_errors() { nb::register_exception_translator(translate); }

void bind_errors(nb::module_& module) {
  module.def("error_table", &error_table, "(code, built-in exception) for each row of the library's error table.");
}

}  // namespace treble::python
