// The arguments, prepared for the parser; and the messages when they make no sense.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace treble::cli {

/// The arguments after the program's name as CLI11 should see them: "--option=" becomes the option and an empty value,
/// which the parser would otherwise take from the next argument. Throws CLI::ParseError for a command or an option that
/// does not exist, naming the one that may have been meant, and for an empty value where it means nothing (anything but
/// a TEXT or a NAME).
std::vector<std::string> prepare_arguments(const CLI::App& app, int argc, const char* const* argv);

/// A validator for one of a few names, whose message lists them and says which one may have been meant.
CLI::Validator one_of(std::vector<std::string> names);

}  // namespace treble::cli
