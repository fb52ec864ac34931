// The program: its commands, and which of them was asked for.
#pragma once

namespace treble::cli {

/// Parses the arguments and runs the command they name. Returns the exit code; what a command throws is thrown on.
int run_program(int argc, const char* const* argv);

}  // namespace treble::cli
