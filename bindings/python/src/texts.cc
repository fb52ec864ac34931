#include "texts.h"

#include <nanobind/stl/string.h>

#include "treble/error.h"

namespace nb = nanobind;

namespace treble::python {

namespace {

std::string name_of_type(nb::handle object) { return nb::cast<std::string>(nb::str(object.type().attr("__name__"))); }

[[noreturn]] void fail_type(nb::handle object, Py_ssize_t index) {
  const std::string name = name_of_type(object);
  if (index < 0) {
    throw nb::type_error(("texts must be a str or a sequence of str, not " + name).c_str());
  }
  throw nb::type_error(("text " + std::to_string(index) + " is of type " + name + ", not str").c_str());
}

}  // namespace

void Texts::add(nb::handle text) {
  const auto index = static_cast<Py_ssize_t>(views_.size());
  if (PyUnicode_Check(text.ptr()) == 0) fail_type(text, index);
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data == nullptr) {
    if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError) == 0) throw nb::python_error();
    PyErr_Clear();
    throw Error(ErrorCode::invalid_argument,
                "text " + std::to_string(index) +
                    " has a lone surrogate, which is no Unicode text; "
                    "text.encode(\"utf-8\", \"replace\").decode() puts question marks in its place",
                {.text_index = index});
  }
  views_.emplace_back(data, static_cast<std::size_t>(size));
}

Texts::Texts(nb::handle texts) {
  if (PyUnicode_Check(texts.ptr()) != 0) {
    single_ = true;
    owner_ = nb::borrow(texts);
    add(texts);
    return;
  }
  const bool listed = PyList_Check(texts.ptr()) != 0 || PyTuple_Check(texts.ptr()) != 0;
  if (!listed && ArrowTexts::speaks(texts)) {
    column_.emplace(texts);
    return;
  }
  // Iterable, but not in an order that vectors could follow.
  const bool unordered =
      PyBytes_Check(texts.ptr()) != 0 || PyDict_Check(texts.ptr()) != 0 || PyAnySet_Check(texts.ptr()) != 0;
  if (unordered || PyObject_HasAttrString(texts.ptr(), "__iter__") == 0) fail_type(texts, -1);
  owner_ = nb::steal(PySequence_Tuple(texts.ptr()));
  if (!owner_.is_valid()) throw nb::python_error();
  const Py_ssize_t count = PyTuple_Size(owner_.ptr());
  views_.reserve(static_cast<std::size_t>(count));
  for (Py_ssize_t index = 0; index < count; ++index) add(PyTuple_GetItem(owner_.ptr(), index));
}

}  // namespace treble::python
