// The files of a model that a temperature does not touch.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace treble::internal {

struct CarryOver {
  std::filesystem::path from;  ///< the model
  std::filesystem::path to;    ///< exists
  /// Within the two: where config.json and the weights are; empty: the folder itself.
  std::filesystem::path transformer;
  /// Files that somebody else writes, relative to the two.
  std::set<std::filesystem::path> written_elsewhere;
  /// Called before each file; may throw.
  std::function<void()> before_file;
};

/// Copies all other files byte for byte, what links lead to instead of links. Weights in another format would still be
/// those without the temperature, to be loaded by mistake; they, and git's own folder, are left out and returned.
/// Throws Error{io} naming the file.
std::vector<std::string> carry_over(const CarryOver& plan);

}  // namespace treble::internal
