// One way to raise an error: fail(ErrorCode::invalid_file, "{}: tensor {} has {} bytes, its shape needs {}", …).
#pragma once

#include <fmt/format.h>

#include <utility>

#include "treble/error.h"

namespace treble::internal {

template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace treble::internal
