#include "operations/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "treble/error.h"

namespace treble::server {
namespace {

/// A pipe, whose writing end stands for stderr.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~Pipe() {
    close_writer();
    ::close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int writer() const { return ends_[1]; }

  void close_writer() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

  /// Everything until the writing end is closed.
  std::vector<std::string> lines() {
    close_writer();
    std::string text;
    std::array<char, 65536> buffer = {};
    for (ssize_t got = 0; (got = ::read(ends_[0], buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    std::vector<std::string> result;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) result.push_back(line);
    return result;
  }

 private:
  std::array<int, 2> ends_ = {-1, -1};
};

RequestRecord record_of(std::string route, int status) {
  RequestRecord record;
  record.request_id = "req-1";
  record.method = "POST";
  record.route = std::move(route);
  record.peer = "192.0.2.1:5000";
  record.status = status;
  record.total_seconds = 0.0123456;
  return record;
}

std::vector<std::string> logged(const AccessLogOptions& options, const std::vector<RequestRecord>& records) {
  Pipe pipe;
  {
    AccessLog log(options, pipe.writer());
    for (const auto& record : records) log.observe(record);
  }
  return pipe.lines();
}

TEST(AccessLog, AnObjectForEachRequest) {
  auto record = record_of("/embed", 200);
  record.trace_id = "0af7651916cd43dd8448eb211c80319c";
  record.model = "mini";
  record.texts = 2;
  record.tokens = 12;
  record.queue_seconds = 0.5;
  const auto lines = logged({.json = true}, {record, record_of("other", 404)});
  ASSERT_EQ(lines.size(), 2U);
  const auto first = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(first["level"], "info");
  EXPECT_EQ(first["request_id"], "req-1");
  EXPECT_EQ(first["trace_id"], "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(first["status"], 200);
  EXPECT_EQ(first["total_ms"], 12.346);
  EXPECT_EQ(first["queue_ms"], 500);
  EXPECT_EQ(first["tokens"], 12);
  EXPECT_EQ(first["timestamp"].get<std::string>().size(), std::string("2026-11-29T00:00:00.000Z").size());
  const auto second = nlohmann::json::parse(lines[1]);
  EXPECT_FALSE(second.contains("model"));
  EXPECT_FALSE(second.contains("trace_id"));
}

TEST(AccessLog, TextKeepsAValueInItsPlace) {
  auto record = record_of("/embed", 422);
  record.request_id = "a\nb status=200 \"x\" \xff";
  record.error_type = "invalid_argument";
  record.error = "`inputs[1]` must not be empty";
  const auto lines = logged({}, {record});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find(R"(info  request request_id="a\nb status=200 \"x\" )"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find(R"( route=/embed status=422 )"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find(R"( error="`inputs[1]` must not be empty")"), std::string::npos) << lines[0];
}

TEST(AccessLog, LevelsOfRequests) {
  const std::vector<RequestRecord> records = {record_of("/health", 200), record_of("/embed", 200),
                                              record_of("/embed", 429), record_of("/embed", 500),
                                              record_of("/health", 503)};
  EXPECT_EQ(logged({.level = LogLevel::debug}, records).size(), 5U);
  EXPECT_EQ(logged({.level = LogLevel::info}, records).size(), 4U);
  EXPECT_EQ(logged({.level = LogLevel::warn}, records).size(), 3U);
  EXPECT_EQ(logged({.level = LogLevel::error}, records).size(), 2U);
  EXPECT_EQ(parse_log_level("warn"), LogLevel::warn);
  EXPECT_THROW(parse_log_level("loud"), Error);
}

TEST(AccessLog, WhatTheServerSaysOfItself) {
  Pipe pipe;
  {
    AccessLog log({.json = true}, pipe.writer());
    log.write(LogLevel::info, "listening", {{"address", "http://127.0.0.1:3000"}});
    log.write(LogLevel::debug, "not at this level");
  }
  const auto lines = pipe.lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["message"], "listening");
  EXPECT_EQ(nlohmann::json::parse(lines[0])["address"], "http://127.0.0.1:3000");
}

TEST(AccessLog, AReaderThatStoppedHoldsUpNobody) {
  Pipe pipe;  // Of 64 KiB, that nobody reads.
  std::vector<Sample> samples;
  {
    AccessLog log({.max_waiting_bytes = 100'000}, pipe.writer());
    for (int i = 0; i < 5000; ++i) log.observe(record_of("/embed", 200));
    samples = log.samples();
  }
  EXPECT_EQ(samples[0].value + samples[1].value, 5000);
  EXPECT_GT(samples[1].value, 0);
}

TEST(AccessLog, SaysHowManyLinesWereDropped) {
  Pipe pipe;
  {
    AccessLog log({.json = true, .max_waiting_bytes = 1000}, pipe.writer());
    auto record = record_of("/embed", 422);
    record.error = std::string(1000, 'x');  // Does not fit, whatever has been written.
    log.observe(record);
    log.observe(record);
    log.observe(record_of("/embed", 200));
    EXPECT_EQ(log.samples()[0].value, 1);
    EXPECT_EQ(log.samples()[1].value, 2);
  }
  const auto lines = pipe.lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["status"], 200);
  const auto last = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(last["level"], "warn");
  EXPECT_EQ(last["lines"], 2);
}

TEST(AccessLog, AReaderThatLeftEndsTheLogAlone) {
  std::signal(SIGPIPE, SIG_IGN);  // As the server has it.
  std::array<int, 2> ends = {};
  ASSERT_EQ(::pipe(ends.data()), 0);
  ::close(ends[0]);
  {
    AccessLog log({}, ends[1]);
    for (int i = 0; i < 10; ++i) log.observe(record_of("/embed", 200));
  }
  ::close(ends[1]);
}

}  // namespace
}  // namespace treble::server
