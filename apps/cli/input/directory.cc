#include "input/directory.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "fail.h"

namespace treble::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 8> kTextExtensions = {".txt", ".text", ".md",  ".markdown",
                                                             ".rst", ".adoc", ".org", ".tex"};

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

}  // namespace

bool has_text_extension(const std::string& path) {
  std::string extension = fs::path(path).extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return std::find(kTextExtensions.begin(), kTextExtensions.end(), extension) != kTextExtensions.end();
}

std::vector<std::string> list_documents(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator walk(folder, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    if (is_hidden(walk->path())) {
      walk.disable_recursion_pending();
      continue;
    }
    std::error_code ignored;  // a link to nowhere is no document
    if (walk->is_regular_file(ignored) && has_text_extension(walk->path().native())) {
      found.push_back(walk->path().lexically_relative(folder).string());
    }
  }
  if (error) fail(ErrorCode::io, "cannot list {}: {}", folder, error.message());
  if (found.empty()) {
    fail(ErrorCode::not_found, "{}: no text files in this folder; looked for names in {}", folder,
         fmt::join(kTextExtensions, " "));
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool DocumentSource::next(TextRecord& record) {
  if (done_) return false;
  done_ = true;
  record.text.clear();
  // The mark at the start is dropped with the first look, so the offset has to be asked for after it.
  std::string_view piece = bytes_.peek();
  const std::uint64_t offset = bytes_.position();
  for (; !piece.empty(); piece = bytes_.peek()) {
    record.text.append(piece);
    bytes_.consume(piece.size());
  }
  replaced_ += mend_utf8(record.text, {&bytes_.name(), 1, offset}, invalid_utf8_);
  record.id = id_;
  record.line = 1;
  return true;
}

}  // namespace treble::cli
