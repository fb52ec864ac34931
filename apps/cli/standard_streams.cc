#include "standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "fail.h"

namespace treble::cli {

void prepare_standard_streams() {
  // Opened the wrong way round where a use of it should fail: stdin for writing, stdout for reading.
  constexpr std::array<int, 3> kFlags = {O_WRONLY, O_RDONLY, O_WRONLY};
  for (int fd = 0; fd < 3; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one, as those below are open.
    if (::open("/dev/null", kFlags[static_cast<std::size_t>(fd)]) != fd) std::abort();
  }
  std::signal(SIGPIPE, SIG_IGN);
}

void die_of_broken_pipe() {
  std::signal(SIGPIPE, SIG_DFL);
  std::raise(SIGPIPE);
  std::abort();
}

void check_stdout() {
  const int flags = ::fcntl(STDOUT_FILENO, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) fail_errno("write", "stdout", EBADF);
}

void print_out(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EPIPE) throw BrokenPipe();
      fail_errno("write", "stdout");
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void say(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace treble::cli
