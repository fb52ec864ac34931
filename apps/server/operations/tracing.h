// Traces of requests to an OpenTelemetry collector: OTLP over HTTP, in its JSON form.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "http/http_client.h"
#include "operations/request_record.h"
#include "operations/samples.h"

namespace treble::server {

struct TracerOptions {
  std::string endpoint;  ///< "http://127.0.0.1:4318"; "/v1/traces" is added, as OTEL_EXPORTER_OTLP_ENDPOINT has it
  std::string service_name = "treble";        ///< the resource's service.name
  std::size_t max_waiting = 4096;             ///< spans not yet sent; more are dropped and counted
  std::size_t max_batch = 512;                ///< spans of one message
  std::chrono::milliseconds delay{1000};      ///< that spans are collected for
  std::chrono::milliseconds timeout{10'000};  ///< of one message
  int attempts = 4;                           ///< to send a message, 1, 2, 4 … times `delay` apart
};

/// An ExportTraceServiceRequest in OTLP's JSON: a server's span for each record, named "POST /embed", in the trace of
/// its trace_id, child of the client's span where its traceparent is valid. https://opentelemetry.io/docs/specs/otlp/
std::string trace_message(const std::string& service_name, std::span<const RequestRecord> records);

/// treble_trace_spans_total by outcome.
std::vector<Sample> trace_samples(std::uint64_t sent, std::uint64_t dropped);

/// Sends spans on a thread of its own; a collector that is slow or away holds up no request. Threads: all functions may
/// be called from any thread.
class Tracer {
 public:
  /// Told when sending begins to fail, and when it works again; on the tracer's thread.
  using Report = std::function<void(bool works, const std::string& message)>;

  /// Throws Error{invalid_argument, unsupported} for an endpoint that is not http://HOST[:PORT][/PATH].
  Tracer(const TracerOptions& options, Report report);
  /// Tries once, for at most two seconds, to send what waits.
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  /// Leaves out requests whose client says that it does not record their trace.
  void observe(const RequestRecord& record);

  /// What was sent and dropped, as trace_samples.
  std::vector<Sample> samples() const;

 private:
  void run();
  bool send(std::span<const RequestRecord> batch);
  bool try_once(const std::string& message, std::chrono::milliseconds limit, bool& retry);
  void report(bool works, const std::string& message);

  const TracerOptions options_;
  const Report report_;
  const HttpUrl url_;
  mutable std::mutex mutex_;  ///< of what follows, up to the thread
  std::condition_variable changed_;
  std::deque<RequestRecord> waiting_;
  std::uint64_t sent_ = 0;
  std::uint64_t dropped_ = 0;
  bool stopping_ = false;
  bool works_ = true;  ///< of the thread alone
  std::thread thread_;
};

}  // namespace treble::server
