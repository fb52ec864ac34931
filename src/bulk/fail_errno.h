// After a system call failed: "cannot write out.npy: No space left on device".
#pragma once

#include <cerrno>
#include <string_view>
#include <system_error>

#include "base/fail_about.h"

namespace treble::internal {

[[noreturn]] inline void fail_errno(std::string_view doing, std::string_view path, int error = errno) {
  const auto code = error == ENOENT ? ErrorCode::not_found : ErrorCode::io;
  fail_about(path, code, "cannot {} {}: {}", doing, path, std::generic_category().message(error));
}

}  // namespace treble::internal
