#include "operations/tracing.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "operations/trace_context.h"
#include "treble/error.h"
#include "treble/version.h"

namespace treble::server {
namespace {

using nlohmann::json;

constexpr auto kLastSend = std::chrono::milliseconds(2000);
constexpr int kServerSpan = 2;   ///< Span.SpanKind.SPAN_KIND_SERVER
constexpr int kErrorStatus = 2;  ///< Status.StatusCode.STATUS_CODE_ERROR

json attribute(const char* key, const std::string& value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}

/// 64-bit integers are strings in Protobuf's JSON.
json attribute(const char* key, std::int64_t value) {
  return {{"key", key}, {"value", {{"intValue", std::to_string(value)}}}};
}

json attribute(const char* key, double value) { return {{"key", key}, {"value", {{"doubleValue", value}}}}; }

/// "192.0.2.1:5000", "[::1]:5000" or "unix".
void add_peer(json& list, const std::string& peer) {
  const auto colon = peer.rfind(':');
  std::string address = peer.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  list.push_back(attribute("network.peer.address", address));
  if (colon == std::string::npos) return;
  list.push_back({{"key", "network.peer.port"}, {"value", {{"intValue", peer.substr(colon + 1)}}}});
}

json attributes_of(const RequestRecord& record) {
  json list = {attribute("http.request.method", record.method),
               attribute("http.route", record.route),
               attribute("http.response.status_code", std::int64_t{record.status}),
               attribute("client.address", record.peer),
               attribute("http.request.body.size", record.request_bytes),
               attribute("http.response.body.size", record.response_bytes),
               attribute("treble.request_id", record.request_id)};
  add_peer(list, record.peer);
  if (!record.error_type.empty()) list.push_back(attribute("error.type", record.error_type));
  if (record.model.empty()) return list;
  list.push_back(attribute("treble.model", record.model));
  list.push_back(attribute("treble.texts", record.texts));
  list.push_back(attribute("treble.tokens", record.tokens));
  list.push_back(attribute("treble.truncated_texts", record.truncated_texts));
  list.push_back(attribute("treble.tokenization_seconds", record.tokenization_seconds));
  list.push_back(attribute("treble.queue_seconds", record.queue_seconds));
  list.push_back(attribute("treble.inference_seconds", record.inference_seconds));
  return list;
}

std::string nanoseconds(std::chrono::system_clock::time_point time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

json span_of(const RequestRecord& record) {
  const auto duration = std::chrono::duration_cast<std::chrono::system_clock::duration>(
      std::chrono::duration<double>(record.total_seconds));
  json span = {{"spanId", random_hex(16)},
               {"name", record.method + " " + record.route},
               {"kind", kServerSpan},
               {"startTimeUnixNano", nanoseconds(record.started)},
               {"endTimeUnixNano", nanoseconds(record.started + duration)},
               {"attributes", attributes_of(record)}};
  const auto context = parse_traceparent(record.traceparent);
  span["traceId"] = record.trace_id;
  if (context) span["parentSpanId"] = context->parent_id;
  if (record.status >= 500) span["status"] = {{"code", kErrorStatus}, {"message", record.error}};
  return span;
}

HttpUrl traces_url(std::string endpoint) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return parse_http_url(endpoint + "/v1/traces");
}

}  // namespace

std::string trace_message(const std::string& service_name, std::span<const RequestRecord> records) {
  json spans = json::array();
  for (const auto& record : records) spans.push_back(span_of(record));
  const json scope = {{"scope", {{"name", "treble"}, {"version", version()}}}, {"spans", spans}};
  const json resource = {
      {"attributes", {attribute("service.name", service_name), attribute("service.version", std::string(version()))}}};
  const json message = {{"resourceSpans", {{{"resource", resource}, {"scopeSpans", {scope}}}}}};
  return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::vector<Sample> trace_samples(std::uint64_t sent, std::uint64_t dropped) {
  const auto sample = [](const char* outcome, std::uint64_t value) -> Sample {
    return {"treble_trace_spans_total",
            "Spans of traces by what became of them.",
            SampleKind::counter,
            {{"outcome", outcome}},
            static_cast<double>(value)};
  };
  return {sample("sent", sent), sample("dropped", dropped)};
}

Tracer::Tracer(const TracerOptions& options, Report report)
    : options_(options), report_(std::move(report)), url_(traces_url(options.endpoint)), thread_([this] { run(); }) {}

Tracer::~Tracer() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Tracer::observe(const RequestRecord& record) {
  const auto context = parse_traceparent(record.traceparent);
  if (context && !context->sampled) return;
  const std::scoped_lock lock(mutex_);
  if (waiting_.size() >= options_.max_waiting) {
    ++dropped_;
    return;
  }
  waiting_.push_back(record);
}

std::vector<Sample> Tracer::samples() const {
  const std::scoped_lock lock(mutex_);
  return trace_samples(sent_, dropped_);
}

void Tracer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait_for(lock, options_.delay, [this] { return stopping_; });
    while (!waiting_.empty()) {
      const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(options_.max_batch, waiting_.size()));
      const std::vector<RequestRecord> batch(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
      waiting_.erase(waiting_.begin(), end);
      lock.unlock();
      const bool sent = send(batch);
      lock.lock();
      (sent ? sent_ : dropped_) += batch.size();
      if (!sent && stopping_) return;
    }
    if (stopping_) return;
  }
}

bool Tracer::send(std::span<const RequestRecord> batch) {
  const std::string message = trace_message(options_.service_name, batch);
  auto pause = options_.delay;
  for (int attempt = 1;; ++attempt) {
    std::unique_lock lock(mutex_);
    const bool last = stopping_ || attempt == options_.attempts;
    const auto limit = stopping_ ? std::min(kLastSend, options_.timeout) : options_.timeout;
    lock.unlock();
    bool retry = true;
    if (try_once(message, limit, retry)) return true;
    if (last || !retry) return false;
    lock.lock();
    changed_.wait_for(lock, pause, [this] { return stopping_; });
    pause *= 2;
  }
}

bool Tracer::try_once(const std::string& message, std::chrono::milliseconds limit, bool& retry) {
  try {
    const auto response = post(url_, {{"content-type", "application/json"}}, message, limit);
    if (response.status / 100 == 2) {
      report(true, "traces are sent again");
      return true;
    }
    // As OTLP has it; all others mean that the same message would be refused again.
    retry = response.status == 429 || (response.status >= 502 && response.status <= 504);
    report(false, fmt::format("{} answered {} to POST {}", options_.endpoint, response.status, url_.path));
  } catch (const Error& error) {
    report(false, error.what());
  }
  return false;
}

void Tracer::report(bool works, const std::string& message) {
  if (works != works_ && report_) report_(works, message);
  works_ = works;
}

}  // namespace treble::server
