#include "input/directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <queue>
#include <set>
#include <string_view>
#include <system_error>

#include "fail.h"
#include "treble/decompress.h"

namespace treble::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 8> kTextExtensions = {".txt", ".text", ".md",  ".markdown",
                                                             ".rst", ".adoc", ".org", ".tex"};

/// Reads the tree below a folder; the folders that are only linked come last, so that a real path names what has one.
class FolderWalk {
 public:
  FolderWalk(fs::path root, bool skip_unreadable) : root_(std::move(root)), skip_unreadable_(skip_unreadable) {}

  FolderListing run() {
    struct stat status = {};
    if (::stat(root_.c_str(), &status) != 0) fail_errno("read", root_.native());
    enter("", status);
    for (; !links_.empty(); links_.pop()) {  // reading one may find more
      const std::string& name = links_.front();
      if (::stat((root_ / name).c_str(), &status) != 0) {
        skip(name, errno);
      } else if (enter(name, status)) {
        listing_.rest.linked.push_back(name + "/");
      } else {
        listing_.rest.repeated.push_back(name + "/");
      }
    }
    std::sort(listing_.documents.begin(), listing_.documents.end());
    return std::move(listing_);
  }

 private:
  /// False when the folder was read already.
  bool enter(const std::string& name, const struct stat& status) {
    if (!seen_.emplace(status.st_dev, status.st_ino).second) return false;
    const std::string prefix = name.empty() ? name : name + "/";
    std::error_code error;
    std::vector<std::string> names;
    fs::directory_iterator entry(root_ / name, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) {
      skip(prefix, error.value());
      return true;
    }
    std::sort(names.begin(), names.end());
    for (const auto& one : names) visit(prefix + one, one.starts_with('.'));
    return true;
  }

  void visit(const std::string& name, bool hidden) {
    struct stat status = {};
    struct stat link = {};
    const std::string path = (root_ / name).string();
    if (hidden) {
      ++listing_.rest.hidden;
    } else if (::lstat(path.c_str(), &link) != 0) {
      skip(name, errno);
    } else if (::stat(path.c_str(), &status) != 0) {
      const bool broken = S_ISLNK(link.st_mode) && (errno == ENOENT || errno == ELOOP);
      broken ? listing_.rest.broken_links.push_back(name) : skip(name, errno);
    } else if (S_ISDIR(status.st_mode)) {
      S_ISLNK(link.st_mode) ? links_.push(name) : static_cast<void>(enter(name, status));
    } else if (S_ISREG(status.st_mode)) {
      add_file(name, path, status);
    } else {
      ++listing_.rest.special;
    }
  }

  void add_file(const std::string& name, const std::string& path, const struct stat& status) {
    if (!has_text_extension(name)) {
      ++listing_.rest.other_kinds[lower_extension(without_compression_extension(name))];
    } else if (status.st_size == 0) {
      ++listing_.rest.empty;
    } else if (::access(path.c_str(), R_OK) != 0) {
      skip(name, errno);
    } else {
      listing_.documents.push_back(name);
    }
  }

  void skip(const std::string& name, int error) {
    if (!skip_unreadable_) {
      fail(ErrorCode::io, "cannot read {}: {}; --skip-unreadable skips such files and folders", (root_ / name).string(),
           std::generic_category().message(error));
    }
    listing_.rest.unreadable.push_back(name);
  }

  fs::path root_;
  bool skip_unreadable_;
  FolderListing listing_;
  std::set<std::pair<dev_t, ino_t>> seen_;
  std::queue<std::string> links_;
};

/// "a, b, …"
std::string first_names(const std::vector<std::string>& names) {
  constexpr std::size_t kMaxNames = 5;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kMaxNames));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "), names.size() > kMaxNames ? ", …" : "");
}

std::string other_kinds(const FolderRest& rest) {
  std::size_t count = 0;
  std::string kinds;
  for (const auto& [extension, files] : rest.other_kinds) {
    count += files;
    kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", extension.empty() ? "no extension" : extension, files);
  }
  return fmt::format("{} of other kinds ({})", count, kinds);
}

}  // namespace

std::string lower_extension(const std::string& path) {
  std::string extension = fs::path(path).extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return extension;
}

bool has_text_extension(const std::string& path) {
  return std::find(kTextExtensions.begin(), kTextExtensions.end(),
                   lower_extension(without_compression_extension(path))) != kTextExtensions.end();
}

FolderListing list_documents(const std::string& folder, bool skip_unreadable) {
  FolderListing listing = FolderWalk(folder, skip_unreadable).run();
  if (listing.documents.empty()) {
    const std::string rest = describe(listing.rest);
    fail(ErrorCode::not_found, "{}: no text files in this folder; searched for names ending in {}{}{}", folder,
         fmt::join(kTextExtensions, " "), rest.empty() ? "" : "; ", rest);
  }
  return listing;
}

std::string describe(const FolderRest& rest) {
  std::vector<std::string> parts;
  if (!rest.other_kinds.empty()) parts.push_back(other_kinds(rest));
  if (rest.hidden > 0) parts.push_back(fmt::format("{} hidden", rest.hidden));
  if (rest.empty > 0) parts.push_back(fmt::format("{} empty", rest.empty));
  if (rest.special > 0) parts.push_back(fmt::format("{} pipes, sockets or devices", rest.special));
  const auto add = [&](const std::vector<std::string>& names, const char* what) {
    if (!names.empty()) parts.push_back(fmt::format("{} {} ({})", names.size(), what, first_names(names)));
  };
  add(rest.broken_links, "links to nowhere");
  add(rest.unreadable, "unreadable");
  add(rest.repeated, "links to folders that are read already");
  std::string text = parts.empty() ? "" : fmt::format("not read: {}", fmt::join(parts, ", "));
  if (!rest.linked.empty()) {
    text += fmt::format("{}linked folders read: {}", text.empty() ? "" : "; ", first_names(rest.linked));
  }
  return text;
}

bool DocumentSource::next(TextRecord& record) {
  if (done_) return false;
  done_ = true;
  record.text.clear();
  // The mark at the start is dropped by the first peek, so the offset has to be read after it.
  std::string_view piece = bytes_.peek();
  const std::uint64_t offset = bytes_.offset();
  for (; !piece.empty(); piece = bytes_.peek()) {
    record.text.append(piece);
    bytes_.consume(piece.size());
  }
  replaced_ += repair_utf8(record.text, {&bytes_.name(), 1, offset}, invalid_utf8_);
  record.id = id_;
  record.line = 1;
  return true;
}

}  // namespace treble::cli
