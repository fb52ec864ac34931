#include "evaluation/line_file.h"

#include "base/fail.h"
#include "base/text_file.h"

namespace treble {

using namespace internal;

LineFile::LineFile(const std::filesystem::path& path) : name_(path.string()), file_(open_text(path)) {}

bool LineFile::next(std::string& line) {
  while (std::getline(*file_, line)) {
    ++number_;
    if (number_ == 1 && (line.starts_with("\xFF\xFE") || line.starts_with("\xFE\xFF"))) {
      fail(ErrorCode::invalid_file, "{}: UTF-16, where UTF-8 is expected; convert it: iconv -f utf-16 -t utf-8", name_);
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") != line.npos) return true;
  }
  return false;
}

}  // namespace treble
