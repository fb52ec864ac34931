// Options as Python writes them.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "treble/error.h"
#include "treble/options.h"

namespace treble::python {

/// The enumerator from `first` to `last` whose to_string is `name`. Throws Error{invalid_argument} naming all of them.
template <typename Enum>
Enum parse_enum(const std::string& name, const char* what, Enum first, Enum last) {
  std::string known;
  for (int value = static_cast<int>(first); value <= static_cast<int>(last); ++value) {
    const std::string one = to_string(static_cast<Enum>(value));
    if (one == name) return static_cast<Enum>(value);
    known += (known.empty() ? "" : ", ") + one;
  }
  throw Error(ErrorCode::invalid_argument, "\"" + name + "\" is not " + what + "; there are " + known);
}

/// ModelOptions and EncodeOptions, which Python sees as keyword arguments and a constructor.
ComputeType parse_dtype(const std::string& name);
PositionExtension parse_extension(const std::string& name);
Truncation parse_truncation(const std::string& name);

void bind_options(nanobind::module_& module);

}  // namespace treble::python
