#include "evaluation/line_file.h"

#include <streambuf>

#include "base/fail_about.h"
#include "base/text_file.h"

namespace treble::internal {

namespace {

/// A line without its end: "\n", "\r\n" or "\r" alone.
bool read_line(std::streambuf& from, std::string& line) {
  using Traits = std::streambuf::traits_type;
  line.clear();
  for (auto c = from.sbumpc(); !Traits::eq_int_type(c, Traits::eof()); c = from.sbumpc()) {
    const char character = Traits::to_char_type(c);
    if (character == '\n') return true;
    if (character == '\r') {
      if (Traits::eq_int_type(from.sgetc(), Traits::to_int_type('\n'))) from.sbumpc();
      return true;
    }
    line.push_back(character);
  }
  return !line.empty();
}

}  // namespace

LineFile::LineFile(const std::filesystem::path& path) : name_(path.string()), file_(open_text(path)) {}

bool LineFile::next(std::string& line) {
  while (read_line(*file_->rdbuf(), line)) {
    ++number_;
    if (number_ == 1 && (line.starts_with("\xFF\xFE") || line.starts_with("\xFE\xFF"))) {
      fail_file(name_, ErrorCode::invalid_file,
                "UTF-16, where UTF-8 is expected; convert it: iconv -f utf-16 -t utf-8");
    }
    if (line.find_first_not_of(" \t") != line.npos) return true;
  }
  return false;
}

}  // namespace treble::internal
