// The file that rows go to, and how it gets its name.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "bulk/metadata.h"
#include "bulk/output_file.h"
#include "treble/bulk.h"

namespace treble::internal {

/// What an earlier run left behind.
struct SavedRun {
  Json metadata;  ///< without the state
  SavedState state;
};

/// A new output grows under its own name and is valid at every checkpoint. One that replaces an existing
/// output grows beside it under NAME.partial, with a sidecar of its own, and takes the old one's place when it is
/// whole; until then the old output and its sidecar stay as they are. A run that was stopped leaves either, and
/// resuming continues NAME.partial if there is one. What is written by a converter always grows in NAME.partial.
class RowFile {
 public:
  /// Opens and locks, so that nothing fails later. Throws Error{invalid_argument} when the output exists
  /// and the mode is create, when it is no regular file, when a NAME.partial is not one of Treble's, and when another
  /// process writes it; Error{not_found, io}.
  RowFile(const std::string& path, VectorFormat format, VectorFileMode mode, VectorConverter converter);
  /// Removes what this run created, unless there is something in it to keep.
  ~RowFile();
  RowFile(const RowFile&) = delete;
  RowFile& operator=(const RowFile&) = delete;

  OutputFile& file() noexcept { return *file_; }
  /// Of the file that is being written now.
  const std::string& path() const noexcept { return path_; }
  /// Where that file's metadata go; "" where it holds them itself.
  const std::string& sidecar() const noexcept { return sidecar_; }
  /// An earlier run's rows, to continue. Throws Error{invalid_file, not_found}, saying what to do.
  std::optional<SavedRun> saved() const;
  /// True while an output of that name waits to be replaced.
  bool replaces() const noexcept { return old_ != nullptr; }

  /// What is in the file counts: it stays whatever happens.
  void keep() noexcept { keep_ = true; }
  /// The output is whole: it gets its name. `changed`: it has other rows than at the start. Throws Error{io}, and
  /// what the converter throws.
  void finish(bool changed);

 private:
  void open_new(bool exists);
  void open_beside();
  void resume(bool exists);
  void convert(bool changed);
  void use_partial();

  VectorFormat format_;
  VectorFileMode mode_;
  VectorConverter converter_;
  std::string target_;          ///< what the name given leads to
  std::string target_sidecar_;  ///< "" for JSONL
  std::string path_;
  std::string sidecar_;
  std::unique_ptr<OutputFile> file_;
  std::unique_ptr<OutputFile> old_;  ///< locked while it waits to be replaced
  bool resumes_ = false;
  bool restored_ = false;  ///< the rows are those of the finished output
  bool keep_ = false;
};

}  // namespace treble::internal
