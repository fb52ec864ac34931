// W3C Trace Context: which trace a request belongs to. https://www.w3.org/TR/trace-context/
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace treble::server {

struct TraceContext {
  std::string trace_id;   ///< 32 hex digits, not all zero
  std::string parent_id;  ///< 16 hex digits, not all zero: the client's span
  bool sampled = true;    ///< whether the client records this trace
};

/// Of a `traceparent` header; empty for one that is not valid, whose trace is then begun anew.
std::optional<TraceContext> parse_traceparent(std::string_view header);

/// `digits` random hex digits, not all zero.
std::string random_hex(int digits);

}  // namespace treble::server
