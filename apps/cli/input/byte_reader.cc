#include "input/byte_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "fail.h"

namespace treble::cli {

namespace {

constexpr std::size_t kBufferSize = std::size_t{256} << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

struct Magic {
  std::string_view bytes;
  const char* tool;
};
constexpr std::array<Magic, 3> kCompressed = {
    {{"\x1F\x8B", "zcat"}, {"\x28\xB5\x2F\xFD", "zstdcat"}, {"BZh9", "bzcat"}}};

}  // namespace

ByteReader::ByteReader(const std::string& path, const StopSignal* stop)
    : name_(path == "-" ? "stdin" : path), stop_(stop), buffer_(kBufferSize) {
  owns_fd_ = path != "-";
  fd_ = owns_fd_ ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
  if (fd_ < 0) fail_errno("open", name_);
}

ByteReader::~ByteReader() {
  if (owns_fd_) ::close(fd_);
}

bool ByteReader::fill() {
  std::array<pollfd, 2> waits = {{{fd_, POLLIN, 0}, {stop_ == nullptr ? -1 : stop_->fd(), POLLIN, 0}}};
  while (true) {
    if (::poll(waits.data(), waits.size(), -1) < 0) {
      if (errno == EINTR) continue;
      fail_errno("wait for", name_);
    }
    if (waits[1].revents != 0) fail(ErrorCode::interrupted, "stopped while reading {}", name_);
    const auto got = ::read(fd_, buffer_.data() + end_, buffer_.size() - end_);
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      fail_errno("read", name_);
    }
    end_ += static_cast<std::size_t>(got);
    read_ += static_cast<std::uint64_t>(got);
    return got > 0;
  }
}

void ByteReader::look_at_start() {
  // No more is read ahead than needed: someone may be typing.
  const auto at_hand = [&] { return std::string_view(buffer_.data(), end_); };
  while (fill() && end_ < kByteOrderMark.size() && kByteOrderMark.starts_with(at_hand())) {
  }
  if (at_hand().starts_with(kByteOrderMark)) begin_ = kByteOrderMark.size();
  for (const auto& magic : kCompressed) {
    if (!at_hand().starts_with(magic.bytes)) continue;
    fail(ErrorCode::unsupported, "{}: compressed input is not read; pipe it in: {} FILE | treble … --format jsonl -",
         name_, magic.tool);
  }
}

std::string_view ByteReader::peek() {
  if (!started_) {
    started_ = true;
    look_at_start();
  }
  if (begin_ == end_) {
    begin_ = end_ = 0;
    fill();
  }
  return {buffer_.data() + begin_, end_ - begin_};
}

}  // namespace treble::cli
