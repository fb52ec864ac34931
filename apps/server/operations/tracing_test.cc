#include "operations/tracing.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "http/canned_server.h"
#include "operations/trace_context.h"
#include "treble/error.h"

namespace treble::server {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr const char* kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

RequestRecord traced(int status = 200) {
  RequestRecord record;
  record.request_id = "r1";
  record.trace_id = kTrace;
  record.method = "POST";
  record.route = "/embed";
  record.model = "mini";
  record.peer = "unix";
  record.status = status;
  record.started = std::chrono::system_clock::time_point(1700000000s);
  record.total_seconds = 0.25;
  record.tokens = 12;
  return record;
}

json body_of(const std::string& request) { return json::parse(request.substr(request.find("\r\n\r\n") + 4)); }

json spans_of(const json& message) { return message.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans"); }

/// Attributes as {key: value}.
json attributes_of_span(const json& span) {
  json result = json::object();
  for (const auto& item : span.at("attributes")) result[item.at("key")] = item.at("value").begin().value();
  return result;
}

double value_of(const std::vector<Sample>& samples, const std::string& outcome) {
  for (const auto& sample : samples) {
    if (sample.labels.at(0).second == outcome) return sample.value;
  }
  ADD_FAILURE() << "no sample for " << outcome;
  return -1;
}

TracerOptions quick(const std::string& endpoint) {
  return {.endpoint = endpoint, .service_name = "treble-test", .delay = 5ms, .timeout = 10s};
}

TEST(TraceContext, Headers) {
  const auto context = parse_traceparent(kParent);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id, kTrace);
  EXPECT_EQ(context->parent_id, "b7ad6b7169203331");
  EXPECT_TRUE(context->sampled);
  EXPECT_FALSE(parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")->sampled);
  EXPECT_TRUE(parse_traceparent("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03-later")->sampled);
  for (const char* bad : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                          "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                          "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                          "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                          "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                          "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                          "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
                          "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                          "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}) {
    EXPECT_FALSE(parse_traceparent(bad)) << bad;
  }
}

TEST(TraceContext, RandomIds) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(random_hex(16));
  EXPECT_EQ(ids.size(), 1000U);
  for (const auto& id : ids) EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
  for (const auto& id : ids) EXPECT_EQ(id.size(), 16U);
}

TEST(Tracing, ASpanForEachRequest) {
  auto child = traced(503);
  child.traceparent = kParent;
  child.error_type = "unavailable";
  child.peer = "[::1]:5000";
  child.error = "stopping \xff";  // Not UTF-8.
  const std::vector<RequestRecord> records = {traced(), child};
  const auto message = json::parse(trace_message("search", records));
  EXPECT_EQ(message["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "search");
  const auto spans = spans_of(message);
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0]["name"], "POST /embed");
  EXPECT_EQ(spans[0]["traceId"], kTrace);
  EXPECT_EQ(spans[0]["kind"], 2);
  EXPECT_EQ(spans[0]["startTimeUnixNano"], "1700000000000000000");
  EXPECT_EQ(spans[0]["endTimeUnixNano"], "1700000000250000000");
  EXPECT_FALSE(spans[0].contains("parentSpanId"));
  EXPECT_FALSE(spans[0].contains("status"));
  EXPECT_EQ(attributes_of_span(spans[0])["http.response.status_code"], "200");
  EXPECT_EQ(attributes_of_span(spans[0])["treble.tokens"], "12");
  EXPECT_EQ(spans[1]["parentSpanId"], "b7ad6b7169203331");
  EXPECT_EQ(spans[1]["status"]["code"], 2);
  EXPECT_EQ(attributes_of_span(spans[1])["error.type"], "unavailable");
  EXPECT_EQ(attributes_of_span(spans[1])["network.peer.address"], "::1");
  EXPECT_EQ(attributes_of_span(spans[1])["network.peer.port"], "5000");
  EXPECT_EQ(attributes_of_span(spans[0])["network.peer.address"], "unix");
  EXPECT_FALSE(attributes_of_span(spans[0]).contains("network.peer.port"));
  EXPECT_NE(spans[0]["spanId"], spans[1]["spanId"]);
}

TEST(Tracing, SendsWhatIsSampled) {
  CannedServer collector([](auto) { return canned_answer(200); });
  Tracer tracer(quick(collector.url() + "/"), {});
  auto unsampled = traced();
  unsampled.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  tracer.observe(unsampled);
  tracer.observe(traced());
  const auto request = collector.requests(1).at(0);
  EXPECT_TRUE(request.starts_with("POST /v1/traces HTTP/1.1\r\n")) << request;
  EXPECT_EQ(spans_of(body_of(request)).size(), 1U);
}

TEST(Tracing, SendsAgainWhatTheCollectorCouldNotTake) {
  CannedServer collector([](std::size_t number) { return canned_answer(number < 2 ? 503 : 200); });
  std::vector<bool> reports;
  {
    Tracer tracer(quick(collector.url()), [&](bool works, const std::string&) { reports.push_back(works); });
    tracer.observe(traced());
    const auto requests = collector.requests(3);
    ASSERT_EQ(requests.size(), 3U);
    EXPECT_EQ(body_of(requests[0]), body_of(requests[2]));
  }
  EXPECT_EQ(reports, (std::vector<bool>{false, true}));  // Once each, not at every attempt.
}

TEST(Tracing, DropsWhatTheCollectorRefuses) {
  CannedServer collector([](std::size_t number) { return canned_answer(number == 0 ? 400 : 200); });
  Tracer tracer(quick(collector.url()), {});
  tracer.observe(traced());
  collector.requests(1);
  tracer.observe(traced());
  collector.requests(2);
  while (value_of(tracer.samples(), "sent") < 1) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(value_of(tracer.samples(), "dropped"), 1);
}

TEST(Tracing, ACollectorThatIsAwayCostsBoundedMemory) {
  CannedServer silent([](auto) { return std::string(); });
  auto options = quick(silent.url());
  options.max_waiting = 100;
  options.timeout = 50ms;
  options.attempts = 1;
  std::string failure;
  {
    Tracer tracer(options, [&](bool, const std::string& message) { failure = message; });
    for (int i = 0; i < 1000; ++i) tracer.observe(traced());
    EXPECT_GE(value_of(tracer.samples(), "dropped"), 700);
    EXPECT_EQ(value_of(tracer.samples(), "sent"), 0);
  }
  EXPECT_NE(failure.find("did not answer within 50 ms"), std::string::npos) << failure;
}

TEST(Tracing, WhatWaitsIsSentAtTheEnd) {
  CannedServer collector([](auto) { return canned_answer(200); });
  {
    auto options = quick(collector.url());
    options.delay = 1h;
    Tracer tracer(options, {});
    for (int i = 0; i < 3; ++i) tracer.observe(traced());
  }
  EXPECT_EQ(spans_of(body_of(collector.requests(1).at(0))).size(), 3U);
}

TEST(Tracing, RefusesAnEndpointItCannotUse) {
  EXPECT_THROW(Tracer(quick("localhost:4318"), {}), Error);
  EXPECT_THROW(Tracer(quick("https://collector.example"), {}), Error);
}

}  // namespace
}  // namespace treble::server
