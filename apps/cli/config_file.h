// Options from a file (TOML or INI).
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace treble::cli {

/// Gives every option of `command` that the command line and the environment left unset its value from the file: a line
/// `port = 3000` is --port 3000. Throws Error{not_found, io} for the file, Error{invalid_argument} naming it and the
/// key for one that is no option and for a value that the option does not take.
void apply_config_file(CLI::App& command, const std::string& path);

}  // namespace treble::cli
