// The progress line on the terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "treble/progress.h"

namespace treble::cli {

struct ProgressState {
  std::int64_t texts = 0;   ///< embedded by this run
  std::int64_t tokens = 0;  ///< read by the model in this run
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_at_start = 0;  ///< bytes of the texts that earlier runs embedded
  std::optional<std::uint64_t> total_bytes;
  double seconds = 0;  ///< since the run began
};

/// "  42 % [########----------] 1,234 texts, 308 texts/s, 22,300 tokens/s, 1:05 left", at most `width` columns.
std::string progress_line(const ProgressState& state, std::size_t width);

/// " 42 % [########------------] encoding, 308 texts/s, 6 s left", or "reading: 1,234 texts, 308 texts/s" where the
/// total is not known; at most `width` columns. Steps are texts; `seconds`: that those done took.
std::string work_line(const Progress& progress, double seconds, std::size_t width);

/// "12 s", "1:05", "2:03:04".
std::string short_duration(double seconds);

/// 1234567 → "1,234,567".
std::string grouped(std::int64_t number);

/// `count` a second: "1,235", below ten with two significant digits ("0.48"). Zero where no time has passed.
std::string rate(std::int64_t count, double seconds);

/// "1 text", "2,000 texts"; 0 takes the plural too. For nouns that take an s.
std::string counted(std::int64_t number, std::string_view noun);

/// True where a line can be redrawn: a terminal that is not "dumb".
bool is_interactive(int fd);

/// Draws at most ten times a second and removes the line when it is destroyed.
class ProgressLine {
 public:
  using Clock = std::function<double()>;  ///< seconds, rising
  using Sink = std::function<void(std::string_view)>;

  /// `sink` gets what is to be written. No sink, no progress.
  ProgressLine(Sink sink, Clock clock, std::size_t width)
      : sink_(std::move(sink)), clock_(std::move(clock)), width_(width) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// Draws `state`, unless the last drawing is too recent.
  void update(const ProgressState& state);
  void update(const Progress& progress, double seconds);
  /// Takes the line away, for other output.
  void clear();

 private:
  /// Whether it is time to draw.
  bool due();
  void draw(const std::string& line);

  Sink sink_;
  Clock clock_;
  std::size_t width_;
  std::optional<double> last_drawn_;
  bool visible_ = false;
};

/// On stderr; silent when that is not a terminal or `enabled` is false.
ProgressLine make_terminal_progress(bool enabled);

/// Of the steady clock.
double steady_seconds();

/// The line of a command that reads texts and then encodes them: on stderr when that is a terminal, and gone before
/// anything else is printed, an error's message too.
class WorkProgress {
 public:
  WorkProgress() : line_(make_terminal_progress(true)), start_(steady_seconds()) {}

  /// The clock starts again when `total` becomes known; `done` is then 0.
  void update(const Progress& progress);
  void clear() { line_.clear(); }

 private:
  ProgressLine line_;
  double start_;
  std::int64_t total_ = 0;
};

}  // namespace treble::cli
