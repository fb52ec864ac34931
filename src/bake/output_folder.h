// A folder that appears under its name complete or not at all.
#pragma once

#include <filesystem>

namespace treble::internal {

/// Files are written into a hidden sibling, `.NAME.baking-PID`, which `commit` renames; without a commit it is removed
/// (a killed process leaves the sibling, never anything under the name).
class OutputFolder {
 public:
  /// `source` is the folder that is read meanwhile. Throws Error{invalid_argument} when the target exists and `force`
  /// is false, when it exists and holds no model, and when one of the two folders lies inside the other;
  /// Error{not_found, io} when the sibling cannot be made.
  OutputFolder(const std::filesystem::path& target, const std::filesystem::path& source, bool force);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  /// Where to write.
  const std::filesystem::path& path() const noexcept { return path_; }
  /// Throws Error{io}, and Error{invalid_argument} when something has taken the name in the meantime.
  void commit();

 private:
  void replace_target();

  std::filesystem::path target_;
  std::filesystem::path path_;
  bool force_;
};

}  // namespace treble::internal
