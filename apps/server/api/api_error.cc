#include "api/api_error.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace treble::server {

namespace {

constexpr auto kKinds = std::to_array<ErrorKind>({
    {"invalid_argument", 422, "Validation", "invalid_request_error", "a field or an input is not acceptable"},
    {"text_too_long", 413, "Validation", "invalid_request_error",
     "an input has more tokens than the limit and is not to be truncated"},
    {"not_found", 404, "Validation", "invalid_request_error", "no such prompt or temperature profile"},
    {"invalid_file", 500, "Backend", "server_error", "a file of the model is damaged"},
    {"unsupported", 501, "Validation", "invalid_request_error", "this model or version cannot do that"},
    {"io", 500, "Backend", "server_error", "the operating system refused to read or write"},
    {"non_finite", 500, "Backend", "server_error", "a NaN or infinity would have left the model"},
    {"interrupted", 503, "Unhealthy", "server_error", "stopped from outside"},
    {"overloaded", 429, "Overloaded", "rate_limit_error", "as much as may wait waits already; Retry-After says when"},
    {"deadline_exceeded", 504, "Overloaded", "server_error", "the request's time passed before it ran"},
    {"cancelled", 499, "Backend", "invalid_request_error", "the client left; nobody reads this"},
    {"unavailable", 503, "Unhealthy", "server_error", "the server is shutting down"},
    {"internal", 500, "Backend", "server_error", "a fault in treble; please report it"},
    {"empty_input", 400, "Empty", "invalid_request_error", "no inputs, or an input without a character"},
    {"batch_too_large", 413, "Validation", "invalid_request_error", "more inputs than --max-client-batch-size"},
    {"model_not_found", 404, "Validation", "invalid_request_error", "no model is served under that name"},
    {"unauthorized", 401, "Unauthorized", "authentication_error", "the API key is missing or wrong"},
    {"invalid_json", 400, "Validation", "invalid_request_error", "the body is not a JSON object"},
    {"unsupported_media_type", 415, "Validation", "invalid_request_error", "Content-Type is not application/json"},
    {"no_such_route", 404, "Validation", "invalid_request_error", "there is nothing at this path"},
    {"method_not_allowed", 405, "Validation", "invalid_request_error", "the path has other methods; Allow names them"},
    {"not_ready", 503, "Unhealthy", "server_error", "a model does not give the vectors that it gave at the start"},
    {"bad_request", 400, "Validation", "invalid_request_error", "the request is not valid HTTP"},
    {"request_timeout", 408, "Validation", "invalid_request_error", "the request was sent too slowly"},
    {"payload_too_large", 413, "Validation", "invalid_request_error", "the body is longer than --payload-limit"},
    {"uri_too_long", 414, "Validation", "invalid_request_error", "the request line is too long"},
    {"expectation_failed", 417, "Validation", "invalid_request_error", "an Expect header other than 100-continue"},
    {"headers_too_large", 431, "Validation", "invalid_request_error", "the headers are too long"},
    {"not_implemented", 501, "Validation", "invalid_request_error", "a transfer coding other than chunked"},
    {"http_version", 505, "Validation", "invalid_request_error", "neither HTTP/1.1 nor HTTP/1.0"},
});

/// Where the kinds of HTTP begin: a status has one of them.
constexpr std::string_view kFirstOfHttp = "bad_request";

nlohmann::ordered_json body_of(const ApiError& error, ErrorForm form) {
  nlohmann::ordered_json body;
  if (form == ErrorForm::tei) {
    body = {{"error", error.what()}, {"error_type", error.kind().tei_type}};
    if (error.index()) body["index"] = *error.index();
    return body;
  }
  std::string param = error.param();
  if (!param.empty() && error.index()) param += "[" + std::to_string(*error.index()) + "]";
  body["error"] = {{"message", error.what()},
                   {"type", error.kind().openai_type},
                   {"param", param.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(param)},
                   {"code", error.kind().name}};
  return body;
}

}  // namespace

std::span<const ErrorKind> error_kinds() noexcept { return kKinds; }

const ErrorKind& error_kind(std::string_view name) noexcept {
  const auto find = [](std::string_view wanted) {
    return std::ranges::find_if(kKinds, [&](const ErrorKind& kind) { return kind.name == wanted; });
  };
  const auto found = find(name);
  return found == kKinds.end() ? *find("internal") : *found;
}

ApiError::ApiError(const Error& error, std::string param)
    : std::runtime_error(error.what()),
      kind_(&error_kind(mapping(error.code()).name)),
      param_(std::move(param)),
      index_(error.text_index()) {}

HttpResponse error_response(const ApiError& error, ErrorForm form) {
  HttpResponse response = {.status = error.kind().status};
  // What clients sent may hold anything; messages quote it.
  response.body = body_of(error, form).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  if (error.kind().status == 429 || error.kind().status == 503) response.headers.emplace_back("Retry-After", "1");
  if (error.kind().status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

ApiError http_error(int status, const std::string& message) {
  bool of_http = false;
  for (const ErrorKind& kind : kKinds) {
    of_http = of_http || kind.name == kFirstOfHttp;
    if (of_http && kind.status == status) return {kind.name, message};
  }
  return {status == error_kind("overloaded").status ? "overloaded" : "internal", message};
}

}  // namespace treble::server
