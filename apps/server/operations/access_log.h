// The server's log on stderr: one line for each answered request, and what the server says of itself.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "operations/request_record.h"
#include "operations/samples.h"

namespace treble::server {

enum class LogLevel { debug, info, warn, error };

/// "debug", "info", "warn" or "error". Throws Error{invalid_argument} for another word.
LogLevel parse_log_level(std::string_view name);

struct AccessLogOptions {
  LogLevel level = LogLevel::info;            ///< lines of lower levels are dropped
  bool json = false;                          ///< one JSON object a line; else key=value pairs
  std::size_t max_waiting_bytes = 4'000'000;  ///< of lines that are not yet written; more are dropped and counted
};

/// Lines are written by a thread of its own: who reads them slowly, or stops, holds up no request. Lines are dropped
/// then, and a line says how many.
///
/// A request's line holds the fields of its RequestRecord: no text, no header but the request id and the trace id, no
/// query and no API key. Its level is `error` for status 5xx, `warn` for 408, 429 and 499, `debug` for a probe's
/// /health, /ping and /metrics that succeeded, `info` otherwise.
///
/// Threads: all functions may be called from any thread.
class AccessLog {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  /// `descriptor` is written to and not closed.
  AccessLog(const AccessLogOptions& options, int descriptor);
  /// Writes what waits, for at most two seconds.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void observe(const RequestRecord& record);

  /// A line about the server itself.
  void write(LogLevel level, std::string_view message, const Fields& fields = {});

  /// treble_log_lines_total and treble_log_dropped_lines_total.
  std::vector<Sample> samples() const;

 private:
  void push(std::string line);
  void run();
  bool write_out(std::string_view lines);

  const AccessLogOptions options_;
  const int descriptor_;
  std::atomic<std::uint64_t> lines_ = 0;
  std::atomic<std::uint64_t> dropped_ = 0;
  mutable std::mutex mutex_;  ///< of what follows
  std::condition_variable changed_;
  std::string waiting_;
  std::uint64_t dropped_now_ = 0;  ///< since the last line that said so
  std::atomic<bool> stopping_ = false;
  std::thread writer_;
};

}  // namespace treble::server
