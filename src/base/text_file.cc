#include "base/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <streambuf>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/fail_about.h"
#include "treble/decompress.h"

namespace treble::internal {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Feeds an istream.
class TextBuffer : public std::streambuf {
 public:
  explicit TextBuffer(const std::filesystem::path& path)
      : name_(path.string()), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), packed_(kSize), plain_(kSize) {
    if (fd_ < 0) fail_io("open");
    try {
      read_start();
    } catch (...) {
      ::close(fd_);
      throw;
    }
  }
  ~TextBuffer() override { ::close(fd_); }

 protected:
  int_type underflow() override {
    const std::size_t size = fill();
    if (size == 0) return traits_type::eof();
    setg(plain_.data(), plain_.data(), plain_.data() + size);
    return traits_type::to_int_type(plain_.front());
  }

 private:
  static constexpr std::size_t kSize = std::size_t{64} << 10;

  [[noreturn]] void fail_io(const char* doing) const {
    const int error = errno;
    fail_about(name_, error == ENOENT ? ErrorCode::not_found : ErrorCode::io, "cannot {} {}: {}", doing, name_,
               std::generic_category().message(error));
  }

  std::size_t read_file(std::span<char> out) const {
    while (true) {
      const auto got = ::read(fd_, out.data(), out.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) fail_io("read");
    }
  }

  void read_start() {
    constexpr std::size_t kEnough = 4;  // to tell what it is
    for (std::size_t got = 1; got > 0 && end_ < kEnough; end_ += got) got = read_file(std::span(packed_).subspan(end_));
    const std::string_view start(packed_.data(), end_);
    check_compression(name_, start);
    if (const auto kind = compression_of_data(start); kind != Compression::none) {
      decompressor_ = make_decompressor(kind, name_);
    }
    const std::size_t size = fill();
    const bool marked = std::string_view(plain_.data(), size).starts_with(kByteOrderMark);
    setg(plain_.data(), plain_.data() + (marked ? kByteOrderMark.size() : 0), plain_.data() + size);
  }

  /// Bytes put into `plain_`; 0 at the end.
  std::size_t fill() {
    if (!decompressor_) {
      if (begin_ == end_) return read_file(plain_);
      std::copy(packed_.begin(), packed_.begin() + static_cast<std::ptrdiff_t>(end_), plain_.begin());
      begin_ = end_;
      return end_;
    }
    while (true) {
      const auto step = decompressor_->run({packed_.data() + begin_, end_ - begin_}, plain_);
      begin_ += step.consumed;
      if (step.produced > 0) return step.produced;
      if (step.consumed > 0) continue;
      begin_ = 0;
      end_ = read_file(packed_);
      if (end_ > 0) continue;
      decompressor_->finish();
      return 0;
    }
  }

  std::string name_;
  int fd_;
  std::vector<char> packed_;
  std::vector<char> plain_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::unique_ptr<Decompressor> decompressor_;
};

/// Owns its buffer; what the buffer throws comes out of the reading functions.
class TextStream : public std::istream {
 public:
  explicit TextStream(const std::filesystem::path& path) : std::istream(nullptr), buffer_(path) {
    rdbuf(&buffer_);
    exceptions(std::ios::badbit);
  }

 private:
  TextBuffer buffer_;
};

}  // namespace

std::unique_ptr<std::istream> open_text(const std::filesystem::path& path) {
  return std::make_unique<TextStream>(path);
}

}  // namespace treble::internal
