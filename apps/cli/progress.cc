#include "progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace treble::cli {

namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr std::size_t kBarWidth = 20;
constexpr std::size_t kDefaultColumns = 80;

/// The share of the input that is done, 0 to 1; nothing when its size is unknown.
std::optional<double> share_done(const ProgressState& state) {
  const std::uint64_t total = state.total_bytes.value_or(0);
  if (total == 0) return std::nullopt;
  return std::min(1.0, static_cast<double>(state.bytes_read) / static_cast<double>(total));
}

/// Seconds still to go, from the rate of this run alone: what an earlier run did took no time of this one.
std::optional<double> seconds_left(const ProgressState& state) {
  const std::uint64_t total = state.total_bytes.value_or(0);
  if (total == 0 || state.bytes_read <= state.bytes_at_start) return std::nullopt;
  const auto done = static_cast<double>(state.bytes_read - state.bytes_at_start);
  const double left = static_cast<double>(total) - static_cast<double>(state.bytes_read);
  return std::max(0.0, left) * state.seconds / done;
}

std::string bar(double share) {
  const auto filled = static_cast<std::size_t>(share * kBarWidth);
  return fmt::format("{:3} % [{}{}] ", static_cast<int>(share * 100), std::string(filled, '#'),
                     std::string(kBarWidth - filled, '-'));
}

/// The last column stays free: some terminals wrap when it is filled.
std::string fitted(std::string line, std::size_t width) {
  if (line.size() >= width) line.resize(width == 0 ? 0 : width - 1);
  return line;
}

std::string rates(const ProgressState& state) {
  std::string text = counted(state.texts, "text");
  if (state.seconds <= 0 || state.texts == 0) return text;
  return text +
         fmt::format(", {} texts/s, {} tokens/s", rate(state.texts, state.seconds), rate(state.tokens, state.seconds));
}

std::size_t terminal_width() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefaultColumns;
  return size.ws_col;
}

}  // namespace

std::string grouped(std::int64_t number) {
  std::string digits = fmt::format("{}", number);
  const std::ptrdiff_t first = number < 0 ? 1 : 0;
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > first; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return digits;
}

std::string rate(std::int64_t count, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
  return rate < 10 ? fmt::format("{:.2g}", rate) : grouped(std::llround(rate));
}

std::string counted(std::int64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(number), noun, number == 1 ? "" : "s");
}

std::string short_duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::ceil(std::max(0.0, seconds)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string progress_line(const ProgressState& state, std::size_t width) {
  std::string line;
  if (const auto share = share_done(state)) line = bar(*share);
  line += rates(state);
  if (const auto left = seconds_left(state)) line += fmt::format(", {} left", short_duration(*left));
  return fitted(std::move(line), width);
}

std::string work_line(const Progress& progress, double seconds, std::size_t width) {
  const auto done = static_cast<double>(progress.done);
  const auto total = static_cast<double>(progress.total);
  // The share replaces the count: there is no room for both in 80 columns.
  std::string line = progress.total > 0 ? bar(std::min(1.0, done / total)) + std::string(progress.stage)
                                        : fmt::format("{}: {}", progress.stage, counted(progress.done, "text"));
  if (progress.done > 0 && seconds > 0) {
    line += fmt::format(", {} texts/s", rate(progress.done, seconds));
    if (progress.total > 0) line += fmt::format(", {} left", short_duration((total - done) * seconds / done));
  }
  return fitted(std::move(line), width);
}

bool is_interactive(int fd) {
  const char* terminal = std::getenv("TERM");
  return ::isatty(fd) != 0 && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

bool ProgressLine::due() {
  if (!sink_) return false;
  const double now = clock_();
  if (last_drawn_ && now - *last_drawn_ < kRedrawSeconds) return false;
  last_drawn_ = now;
  return true;
}

void ProgressLine::draw(const std::string& line) {
  visible_ = true;
  sink_("\r\x1b[K" + line);
}

void ProgressLine::update(const ProgressState& state) {
  if (due()) draw(progress_line(state, width_));
}

void ProgressLine::update(const Progress& progress, double seconds) {
  if (due()) draw(work_line(progress, seconds, width_));
}

void ProgressLine::clear() {
  if (visible_) sink_("\r\x1b[K");
  visible_ = false;
}

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void WorkProgress::update(const Progress& progress) {
  if (total_ == 0 && progress.total > 0) start_ = steady_seconds();
  total_ = progress.total;
  line_.update(progress, steady_seconds() - start_);
}

ProgressLine make_terminal_progress(bool enabled) {
  if (!enabled || !is_interactive(STDERR_FILENO)) return {nullptr, nullptr, 0};
  const auto to_stderr = [](std::string_view text) {
    // A terminal that is gone is no reason to stop embedding.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  };
  return {to_stderr, steady_seconds, terminal_width()};
}

}  // namespace treble::cli
