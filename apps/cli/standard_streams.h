// Standard input, output and error: what is printed there, and what happens when nobody reads it.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "treble/error.h"

namespace treble::cli {

/// Whoever read standard output has gone, as `head` does; the program then ends the way others do, by SIGPIPE.
class BrokenPipe : public Error {
 public:
  BrokenPipe() : Error(ErrorCode::io, "cannot write stdout: nobody reads it any more") {}
};

/// At the very start: a descriptor 0, 1 or 2 that is closed (daemons, cron) is opened, so that no file gets its number
/// and with it what is meant for the user. Reading such an input and writing such an output fail; what is said on such
/// an error output is lost. From then on a broken pipe is an error instead of a signal.
void prepare_standard_streams();

/// Ends the process as SIGPIPE does.
[[noreturn]] void die_of_broken_pipe();

/// Before long work whose outcome goes to stdout. Throws Error{io} when it is closed.
void check_stdout();

/// All of `text` to stdout. Throws Error{io}, BrokenPipe.
void print_out(std::string_view text);

/// To stderr; that nobody can read it changes nothing about the work.
void say(std::string_view text) noexcept;

template <typename... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  say(std::string_view(fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace treble::cli
