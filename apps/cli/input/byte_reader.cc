#include "input/byte_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "fail.h"
#include "input/utf8.h"

namespace treble::cli {

namespace {

constexpr std::size_t kBufferSize = std::size_t{256} << 10;
constexpr std::size_t kPackedSize = std::size_t{64} << 10;
constexpr char kAnyByte = '*';  // none of the marks below has it as itself

/// How files begin that are not text, and what to do with them.
struct Magic {
  std::string_view bytes;
  const char* what;
  const char* way_out;
};
constexpr std::array<Magic, 7> kMagics = {
    {{"\x1F\x8B", "gzip", nullptr},
     {"\x28\xB5\x2F\xFD", "zstd", nullptr},
     {"BZh*1AY&SY", "bzip2 data", "decompress it on the way: bzcat {} | treble … --format jsonl -"},
     {std::string_view("\xFD"
                       "7zXZ\0",
                       6),
      "xz data", "decompress it on the way: xzcat {} | treble … --format jsonl -"},
     {"PK\x03\x04", "a zip archive", "unpack it on the way: unzip -p {} | treble … --format jsonl -"},
     {"7z\xBC\xAF\x27\x1C", "a 7-Zip archive", "unpack it on the way: 7z x -so {} | treble … --format jsonl -"},
     {"PAR1\x15", "a Parquet file", "it is read by its name only: call it .parquet, or give --format parquet ({})"}}};

bool matches(std::string_view pattern, std::string_view bytes) {
  return std::equal(bytes.begin(), bytes.end(), pattern.begin(),
                    [](char byte, char expected) { return expected == kAnyByte || byte == expected; });
}

bool starts_with(std::string_view bytes, const Magic& magic) {
  return bytes.size() >= magic.bytes.size() && matches(magic.bytes, bytes.substr(0, magic.bytes.size()));
}

/// Whether more bytes are needed to know.
bool may_become(std::string_view bytes, const Magic& magic) {
  return bytes.size() < magic.bytes.size() && matches(magic.bytes, bytes);
}

bool undecided(std::string_view bytes) {
  return std::any_of(kMagics.begin(), kMagics.end(), [&](const Magic& magic) { return may_become(bytes, magic); });
}

}  // namespace

ByteReader::ByteReader(const std::string& path, const StopSignal* stop)
    : name_(path == "-" ? "stdin" : path), stop_(stop), buffer_(kBufferSize) {
  owns_fd_ = path != "-";
  fd_ = owns_fd_ ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
  if (fd_ < 0) fail_errno("open", name_);
}

ByteReader::ByteReader(int fd, std::string name, const StopSignal* stop)
    : name_(std::move(name)), stop_(stop), fd_(fd), buffer_(kBufferSize) {}

ByteReader::~ByteReader() {
  if (owns_fd_) ::close(fd_);
}

std::uint64_t ByteReader::file_bytes() const noexcept {
  return read_ - (decompressor_ ? packed_end_ - packed_begin_ : end_ - begin_);
}

std::size_t ByteReader::read_file(std::span<char> out) {
  std::array<pollfd, 2> waits = {{{fd_, POLLIN, 0}, {stop_ == nullptr ? -1 : stop_->fd(), POLLIN, 0}}};
  while (true) {
    if (::poll(waits.data(), waits.size(), -1) < 0) {
      if (errno == EINTR) continue;
      fail_errno("wait for", name_);
    }
    if (waits[1].revents != 0) fail(ErrorCode::interrupted, "stopped while reading {}", name_);
    const auto got = ::read(fd_, out.data(), out.size());
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      fail_errno("read", name_);
    }
    read_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }
}

bool ByteReader::fill() {
  if (end_ == buffer_.size()) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.end(), buffer_.begin());
    end_ -= std::exchange(begin_, 0);
  }
  const std::span<char> room = std::span(buffer_).subspan(end_);
  std::size_t got = 0;
  if (!decompressor_) {
    got = read_file(room);
  } else {
    while (got == 0) {
      const auto step = decompressor_->run({packed_.data() + packed_begin_, packed_end_ - packed_begin_}, room);
      packed_begin_ += step.consumed;
      got = step.produced;
      if (got > 0 || step.consumed > 0) continue;
      packed_begin_ = 0;
      packed_end_ = read_file(packed_);
      if (packed_end_ > 0) continue;
      decompressor_->finish();
      return false;
    }
  }
  end_ += got;
  produced_ += got;
  return got > 0;
}

void ByteReader::look_at_file() {
  // No more is read ahead than needed: someone may be typing.
  while (fill() && undecided(at_hand())) {
  }
  if (name_ != "stdin") check_compression(name_, at_hand());
  for (const auto& magic : kMagics) {
    if (magic.way_out == nullptr || !starts_with(at_hand(), magic)) continue;
    fail(ErrorCode::unsupported, "{}: this is {}, which is not read; {}", name_, magic.what,
         fmt::format(fmt::runtime(magic.way_out), name_ == "stdin" ? "FILE" : name_));
  }
  compression_ = compression_of_data(at_hand());
  if (compression_ == Compression::none) return;
  decompressor_ = make_decompressor(compression_, name_);
  packed_.resize(std::max(kPackedSize, end_));
  std::copy_n(buffer_.begin(), end_, packed_.begin());
  packed_end_ = std::exchange(end_, 0);
  produced_ = 0;
  fill();
}

void ByteReader::look_at_text() {
  constexpr std::array<std::string_view, 2> kUtf16 = {"\xFF\xFE", "\xFE\xFF"};
  const auto may_be_mark = [&] {
    return std::any_of(kUtf16.begin(), kUtf16.end(), [&](auto mark) { return mark.starts_with(at_hand()); }) ||
           kByteOrderMark.starts_with(at_hand());
  };
  while (end_ < kByteOrderMark.size() && may_be_mark() && fill()) {
  }
  for (const auto mark : kUtf16) {
    if (!at_hand().starts_with(mark)) continue;
    const char* unpack = compression_ == Compression::gzip   ? "zcat"
                         : compression_ == Compression::zstd ? "zstdcat"
                                                             : "cat";
    fail(ErrorCode::invalid_file,
         "{}: the text is UTF-16, and UTF-8 is needed; convert it: {} {} | iconv -f UTF-16 -t UTF-8", name_, unpack,
         name_ == "stdin" ? "FILE" : name_);
  }
  if (at_hand().starts_with(kByteOrderMark)) begin_ = kByteOrderMark.size();
}

void ByteReader::start() {
  started_ = true;
  look_at_file();
  look_at_text();
}

std::string_view ByteReader::peek() {
  if (!started_) start();
  if (begin_ == end_) {
    begin_ = end_ = 0;
    fill();
  }
  return at_hand();
}

std::string_view ByteReader::peek_until(char byte, std::size_t max_size) {
  peek();
  while (at_hand().size() < max_size && at_hand().find(byte) == std::string_view::npos && fill()) {
  }
  return at_hand();
}

}  // namespace treble::cli
