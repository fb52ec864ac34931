// What can go wrong in the study, told apart by the program's exit code.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace incomplete_rg {

/// An argument that has no meaning: a radius of zero, an unknown potential.
class InvalidInput : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// No solution exists there, none was found, or what was found did not converge.
class NoSolution : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class Error, typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace incomplete_rg
