// Files that appear under their name whole or not at all: the one way in which Treble writes reports, profiles, caches
// and weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "treble/export.h"

namespace treble {

/// What becomes of a file that has the name already.
enum class Existing {
  replace,  ///< it stays as it was until the new one takes its place; its permissions are kept
  refuse,   ///< an error, also when it appears while the new one is written
};

/// Where a name leads in the end: links are followed, also one whose target does not exist yet, so that an output that
/// is a link stays a link and its target is written. Throws Error{io} when links go round in a circle.
TREBLE_API std::filesystem::path link_target(const std::filesystem::path& path);

/// A file in the making. It lies beside its target under a name of its own (".NAME.RANDOM.tmp", made exclusively and
/// never through a link, so that nobody's file is touched) and is removed unless it is committed; a killed process
/// leaves it behind, never anything under the target's name. New files get the permissions that the umask leaves.
class TREBLE_API WholeFile {
 public:
  /// Throws Error{invalid_argument} when the target is a folder, a device or a pipe, or exists and is not to be
  /// replaced; Error{not_found, io} when the folder is missing or cannot be written to.
  explicit WholeFile(const std::filesystem::path& target, Existing existing = Existing::replace);
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  /// Appends. Throws Error{io}.
  void write(std::span<const std::byte> bytes);
  /// Appends. Throws Error{io}.
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  /// Overwrites what was appended, from byte `offset` on: a header whose sizes are known at the end. Throws Error{io}.
  void rewrite(std::uint64_t offset, std::string_view text);

  /// Waits until the content is on the disk, then gives the file its name. Throws Error{io}, and
  /// Error{invalid_argument} when something has taken a name that was not to be replaced: the finished file then stays
  /// under the name that the message gives.
  void commit();

 private:
  void give_name();
  [[noreturn]] void fail_io(const char* what) const;

  std::filesystem::path target_;
  std::filesystem::path path_;  ///< empty once it is committed
  Existing existing_;
  int descriptor_ = -1;
};

/// Gives a file that is whole the name of another one in the same file system, which it replaces and whose permissions
/// it takes over; on the disk when it returns. Throws Error{not_found, io}.
TREBLE_API void replace_with(const std::filesystem::path& whole, const std::filesystem::path& target);

/// All at once.
TREBLE_API void write_whole_file(const std::filesystem::path& path, std::string_view content,
                                 Existing existing = Existing::replace);

/// Before long work: that write_whole_file could write `path` now. Same errors; leaves nothing behind.
TREBLE_API void check_writable(const std::filesystem::path& path, Existing existing = Existing::replace);

}  // namespace treble
