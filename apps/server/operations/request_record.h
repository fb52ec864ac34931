// What is known of an answered request: for metrics, the log and traces.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace treble::server {

struct RequestRecord {
  std::string request_id;   ///< of the x-request-id header, or made by the server
  std::string traceparent;  ///< of the client's header (W3C Trace Context); empty: none
  std::string trace_id;     ///< filled in by Operations::observe: of `traceparent`, or new where traces are sent
  std::string method;       ///< "POST"
  std::string route;        ///< the route's pattern, "/embed"; "other" where none matched, so that labels are few
  std::string peer;         ///< "192.0.2.1:5000"
  std::string model;        ///< the served name; empty where no model was involved
  int status = 0;           ///< as sent; 499 when the client left first
  std::string error_type;   ///< the ErrorMapping::name or the HTTP layer's reason; empty: no error
  std::string error;        ///< the message; empty: no error. Never holds a text of the request
  std::chrono::system_clock::time_point started;
  double total_seconds = 0;         ///< from the first byte read until the response was made
  double tokenization_seconds = 0;  ///< of the texts, added up
  double queue_seconds = 0;         ///< until the last text's batch began
  double inference_seconds = 0;     ///< from then until the vectors were there
  std::int64_t texts = 0;
  std::int64_t characters = 0;                 ///< Unicode scalar values of the texts
  std::int64_t tokens = 0;                     ///< that the model read
  std::vector<std::int64_t> text_tokens = {};  ///< [texts]: of each text; empty where vectors were not asked for
  std::int64_t truncated_texts = 0;            ///< texts that were cut
  std::int64_t truncated_tokens = 0;           ///< that were dropped of them
  std::int64_t request_bytes = 0;              ///< of the body
  std::int64_t response_bytes = 0;             ///< of the body
};

}  // namespace treble::server
