// Folders of documents: each file is one text.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "input/byte_reader.h"
#include "input/text_source.h"

namespace treble::cli {

/// ".txt" of "A.TXT"; empty when there is none.
std::string lower_extension(const std::string& path);

/// True for names that end like text: .txt .text .md .markdown .rst .adoc .org .tex, in any case, also compressed
/// (.txt.gz).
bool has_text_extension(const std::string& path);

/// What a folder has that is not read, and why. Names are relative to it; those of folders end in "/".
struct FolderRest {
  std::map<std::string, std::size_t> other_kinds;  ///< by extension; "": files without one
  std::size_t hidden = 0;                          ///< files and folders whose name begins with a dot
  std::size_t empty = 0;
  std::size_t special = 0;                ///< pipes, sockets, devices
  std::vector<std::string> broken_links;  ///< to nowhere, or to themselves
  std::vector<std::string> unreadable;    ///< skipped on request
  std::vector<std::string> repeated;      ///< links to folders that are read anyway
  std::vector<std::string> linked;        ///< links to folders that are read
};

struct FolderListing {
  std::vector<std::string> documents;  ///< relative to the folder, in byte order
  FolderRest rest;
};

/// Every file below `folder` with a text-like extension that is not empty. Hidden files and folders (".git") are
/// skipped. Links are followed; a folder is read once, so links in a circle end. Throws Error{io} for a file or folder
/// that may not be read, unless `skip_unreadable`.
FolderListing list_documents(const std::string& folder, bool skip_unreadable);

/// "not read: 3 of other kinds (.pdf 2, .png 1), 1 hidden"; empty when all was read.
std::string describe(const FolderRest& rest);

/// A whole file as one text, exactly as it is (without a byte order mark).
class DocumentSource : public TextSource {
 public:
  /// `id`: what to call the document, as JSON.
  DocumentSource(const std::string& path, std::string id, const InputOptions& options, const StopSignal* stop = nullptr)
      : bytes_(path, stop), id_(std::move(id)), invalid_utf8_(options.invalid_utf8) {}

  bool next(TextRecord& record) override;
  std::uint64_t bytes_read() const override { return bytes_.file_bytes(); }
  std::int64_t replaced() const override { return replaced_; }

 private:
  ByteReader bytes_;
  std::string id_;
  InvalidUtf8 invalid_utf8_;
  std::int64_t replaced_ = 0;
  bool done_ = false;
};

}  // namespace treble::cli
