// Folders of documents: each file is one text.
#pragma once

#include <string>
#include <vector>

#include "input/byte_reader.h"
#include "input/text_source.h"

namespace treble::cli {

/// True for names that end like text: .txt .text .md .markdown .rst .adoc .org .tex, in any case.
bool has_text_extension(const std::string& path);

/// Every file below `folder` with a text-like extension, as paths relative to it, in byte order. Hidden files and
/// folders
/// (".git") are passed over, links to folders not followed. Throws Error{io}, and Error{not_found} when there is none.
std::vector<std::string> list_documents(const std::string& folder);

/// A whole file as one text, exactly as it stands (a byte order mark apart).
class DocumentSource : public TextSource {
 public:
  /// `id`: what to call the document, as JSON.
  DocumentSource(const std::string& path, std::string id, const InputOptions& options, const StopSignal* stop = nullptr)
      : bytes_(path, stop), id_(std::move(id)), invalid_utf8_(options.invalid_utf8) {}

  bool next(TextRecord& record) override;
  std::uint64_t bytes_read() const override { return bytes_.position(); }
  std::int64_t replaced() const override { return replaced_; }

 private:
  ByteReader bytes_;
  std::string id_;
  InvalidUtf8 invalid_utf8_;
  std::int64_t replaced_ = 0;
  bool done_ = false;
};

}  // namespace treble::cli
