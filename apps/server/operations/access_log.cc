#include "operations/access_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "treble/error.h"

namespace treble::server {
namespace {

using Clock = std::chrono::steady_clock;
using LogFields = nlohmann::ordered_json;

constexpr std::array<const char*, 4> kLevelNames = {"debug", "info", "warn", "error"};
constexpr auto kLastWords = std::chrono::seconds(2);  ///< for what waits when the log ends

const char* name_of(LogLevel level) { return kLevelNames.at(static_cast<std::size_t>(level)); }

LogLevel level_of(const RequestRecord& record) {
  if (record.status >= 500) return LogLevel::error;
  if (record.status == 408 || record.status == 429 || record.status == 499) return LogLevel::warn;
  const bool probe = record.route == "/health" || record.route == "/ping" || record.route == "/metrics";
  return probe && record.status < 400 ? LogLevel::debug : LogLevel::info;
}

/// RFC 3339 in UTC with milliseconds.
std::string time_text(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(time - seconds).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     milliseconds);
}

std::string dump(const LogFields& value) {
  return value.dump(-1, ' ', false, LogFields::error_handler_t::replace);  // Peers may send what is not UTF-8.
}

/// As it is where it cannot be mistaken, else in JSON's quotes, so that no value ends a line or looks like a key.
std::string value_text(const LogFields& value) {
  if (!value.is_string()) return dump(value);
  const auto& text = value.get_ref<const std::string&>();
  const bool plain = !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '=' && c != '\\';
  });
  return plain ? text : dump(value);
}

std::string line_of(bool json, LogLevel level, std::chrono::system_clock::time_point time, std::string_view message,
                    const LogFields& fields) {
  if (json) {
    LogFields line = {{"timestamp", time_text(time)}, {"level", name_of(level)}, {"message", message}};
    line.update(fields);
    return dump(line) + "\n";
  }
  std::string line = fmt::format("{} {:5} {}", time_text(time), name_of(level), message);
  for (const auto& [key, value] : fields.items()) line += fmt::format(" {}={}", key, value_text(value));
  line += '\n';
  return line;
}

double milliseconds_of(double seconds) { return std::round(seconds * 1e6) / 1e3; }

/// What a record says; fields without a value are left out.
LogFields fields_of(const RequestRecord& record) {
  LogFields fields = {{"request_id", record.request_id}};
  if (!record.trace_id.empty()) fields["trace_id"] = record.trace_id;
  fields["method"] = record.method;
  fields["route"] = record.route;
  fields["status"] = record.status;
  fields["peer"] = record.peer;
  fields["total_ms"] = milliseconds_of(record.total_seconds);
  fields["request_bytes"] = record.request_bytes;
  fields["response_bytes"] = record.response_bytes;
  if (!record.model.empty()) {
    fields["model"] = record.model;
    fields["texts"] = record.texts;
    fields["characters"] = record.characters;
    fields["tokens"] = record.tokens;
    fields["truncated_texts"] = record.truncated_texts;
    fields["truncated_tokens"] = record.truncated_tokens;
    fields["tokenization_ms"] = milliseconds_of(record.tokenization_seconds);
    fields["queue_ms"] = milliseconds_of(record.queue_seconds);
    fields["inference_ms"] = milliseconds_of(record.inference_seconds);
  }
  if (!record.error_type.empty()) fields["error_type"] = record.error_type;
  if (!record.error.empty()) fields["error"] = record.error;
  return fields;
}

}  // namespace

LogLevel parse_log_level(std::string_view name) {
  const auto found = std::ranges::find(kLevelNames, name);
  if (found == kLevelNames.end()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("log level \"{}\" is not one of debug, info, warn, error", name));
  }
  return static_cast<LogLevel>(found - kLevelNames.begin());
}

AccessLog::AccessLog(const AccessLogOptions& options, int descriptor)
    : options_(options), descriptor_(descriptor), writer_([this] { run(); }) {}

AccessLog::~AccessLog() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  writer_.join();
}

void AccessLog::observe(const RequestRecord& record) {
  const LogLevel level = level_of(record);
  if (level < options_.level) return;
  push(line_of(options_.json, level, std::chrono::system_clock::now(), "request", fields_of(record)));
}

void AccessLog::write(LogLevel level, std::string_view message, const Fields& fields) {
  if (level < options_.level) return;
  LogFields object = LogFields::object();
  for (const auto& [key, value] : fields) object[key] = value;
  push(line_of(options_.json, level, std::chrono::system_clock::now(), message, object));
}

std::vector<Sample> AccessLog::samples() const {
  return {{"treble_log_lines_total", "Lines of the log.", SampleKind::counter, {}, static_cast<double>(lines_)},
          {"treble_log_dropped_lines_total",
           "Lines dropped because the log was read too slowly.",
           SampleKind::counter,
           {},
           static_cast<double>(dropped_)}};
}

void AccessLog::push(std::string line) {
  {
    const std::scoped_lock lock(mutex_);
    if (waiting_.size() + line.size() > options_.max_waiting_bytes) {
      ++dropped_;
      ++dropped_now_;
      return;
    }
    ++lines_;
    waiting_ += line;
  }
  changed_.notify_one();
}

void AccessLog::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::string lines = std::move(waiting_);
    waiting_.clear();
    if (dropped_now_ > 0) {
      lines += line_of(options_.json, LogLevel::warn, std::chrono::system_clock::now(),
                       "log lines were dropped: they are read too slowly", {{"lines", dropped_now_}});
      dropped_now_ = 0;
    }
    lock.unlock();
    if (!write_out(lines)) return;
    lock.lock();
  }
}

/// false: nobody reads any more, or the log ends and its last words took too long.
bool AccessLog::write_out(std::string_view lines) {
  std::optional<Clock::time_point> end;
  while (!lines.empty()) {
    if (stopping_ && !end) end = Clock::now() + kLastWords;
    if (end && Clock::now() > *end) return false;
    pollfd file = {descriptor_, POLLOUT, 0};
    if (::poll(&file, 1, 100) <= 0) continue;
    // A pipe with room for some byte has room for PIPE_BUF of them: such a write does not block.
    const auto written = ::write(descriptor_, lines.data(), std::min<std::size_t>(lines.size(), PIPE_BUF));
    if (written >= 0) {
      lines.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      return false;
    }
  }
  return true;
}

}  // namespace treble::server
