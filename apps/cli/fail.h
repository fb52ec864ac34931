// One way to raise an error: fail(ErrorCode::invalid_file, "{}:{}: …", …).
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "treble/error.h"

namespace treble::cli {

template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// After a system call failed: "cannot write out.npy: No space left on device".
[[noreturn]] inline void fail_errno(std::string_view doing, std::string_view path, int error = errno) {
  const auto code = error == ENOENT ? ErrorCode::not_found : ErrorCode::io;
  fail(code, "cannot {} {}: {}", doing, path, std::generic_category().message(error));
}

}  // namespace treble::cli
