#include "api/api.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <utility>

#include "operations/trace_context.h"

namespace treble::server {

namespace {

/// Requests beside the queue that wait for a thread of their own.
constexpr std::size_t kMaxSideWork = 64;
constexpr std::size_t kMaxQuickWork = 1024;
constexpr std::size_t kMaxRequestId = 128;
/// A body of this size is read on an I/O thread in well under a millisecond.
constexpr std::size_t kQuickBody = 32'768;

Api::Digest digest_of(std::string_view text) {
  Api::Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

/// The client's own where it is short and printable, else a new one.
std::string request_id_of(const HttpRequest& request) {
  const std::string_view given = request.header("x-request-id");
  const bool usable = !given.empty() && given.size() <= kMaxRequestId &&
                      std::ranges::all_of(given, [](char c) { return c > ' ' && c < 127; });
  return usable ? std::string(given) : random_hex(32);
}

ErrorForm form_of(std::string_view path) { return path.starts_with("/v1/") ? ErrorForm::openai : ErrorForm::tei; }

/// A path that ends in {name} has any text there.
bool matches(std::string_view pattern, std::string_view path) {
  const std::size_t parameter = pattern.find('{');
  if (parameter == std::string_view::npos) return path == pattern;
  return path.size() > parameter && path.starts_with(pattern.substr(0, parameter));
}

/// What a page of another origin may send and read (CORS).
constexpr const char* kAllowedHeaders = "authorization, content-type, x-request-id, x-request-timeout-ms, traceparent";
constexpr const char* kExposedHeaders =
    "retry-after, x-compute-characters, x-compute-time, x-compute-tokens, x-ignored-fields, x-inference-time, "
    "x-queue-time, x-request-id, x-state, x-temperature, x-tokenization-time, x-total-time, x-truncated-texts, "
    "x-truncated-tokens";

}  // namespace

Api::Api(const ApiOptions& options, const ModelRegistry& models, SelfTest& health, Operations& operations)
    : options_(options),
      models_(models),
      health_(health),
      operations_(operations),
      side_pool_(2, kMaxSideWork),
      quick_pool_(2, kMaxQuickWork) {
  for (const std::string& key : options_.api_keys) key_digests_.push_back(digest_of(key));
}

Api::~Api() = default;

void Api::handle(std::shared_ptr<const HttpRequest> request, Respond respond) {
  const auto call = std::make_shared<Call>(std::move(request), std::move(respond),
                                           [this](const HttpRequest& from, RequestRecord& record,
                                                  HttpResponse& response) { finish(from, record, response); });
  call->record().request_id = request_id_of(call->request());
  call->set_form(form_of(call->request().path));
  call->guard([&] { route(call); });
}

void Api::route(const std::shared_ptr<Call>& call) {
  const HttpRequest& request = call->request();
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::vector<std::string_view> methods;
  for (const Route& route : routes()) {
    if (!matches(route.path, request.path)) continue;
    methods.emplace_back(route.method);
    if (method != route.method) continue;
    call->record().route = route.path;
    call->set_form(route.form);
    if (!route.open) check_key(request);
    return run(route, call);
  }
  if (methods.empty()) {
    check_key(request);
    throw ApiError("no_such_route",
                   fmt::format("there is nothing at {:.200}; /docs lists what there is", request.path));
  }
  if (std::ranges::find(methods, "GET") != methods.end()) methods.emplace_back("HEAD");
  methods.emplace_back("OPTIONS");
  const std::string allowed = fmt::format("{}", fmt::join(methods, ", "));
  if (request.method == "OPTIONS") {
    call->answer({.status = 204, .headers = {{"Allow", allowed}, {"Access-Control-Allow-Methods", allowed}}});
    return;
  }
  const ApiError error("method_not_allowed",
                       fmt::format("{:.20} is not possible at {}, only {}", request.method, request.path, allowed));
  HttpResponse response = error_response(error, form_of(request.path));
  response.headers.emplace_back("Allow", allowed);
  call->record().error_type = error.kind().name;
  call->record().error = error.what();
  call->answer(std::move(response));
}

void Api::run(const Route& route, const std::shared_ptr<Call>& call) {
  if (call->request().body.size() <= kQuickBody) return route.handle(*this, call);
  const bool accepted = quick_pool_.submit([this, &route, call] { call->guard([&] { route.handle(*this, call); }); });
  if (!accepted) throw ApiError("overloaded", "too many large requests wait to be read; try again later");
}

void Api::check_key(const HttpRequest& request) const {
  if (key_digests_.empty()) return;
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view given = request.header("authorization");
  const bool bearer =
      given.size() > kScheme.size() &&
      std::ranges::equal(given.substr(0, kScheme.size()), kScheme, [](char a, char b) { return std::tolower(a) == b; });
  const Digest digest = digest_of(bearer ? given.substr(kScheme.size()) : std::string_view());
  // Every key is compared, and each in the same time wherever it differs.
  bool matches = false;
  for (const Digest& known : key_digests_) {
    matches |= CRYPTO_memcmp(digest.data(), known.data(), digest.size()) == 0;
  }
  if (!bearer) throw ApiError("unauthorized", "an API key is needed: send the header Authorization: Bearer KEY");
  if (!matches) throw ApiError("unauthorized", "the API key is not one of this server's");
}

HttpResponse Api::refuse(int status, const std::string& message, const HttpRequest& request) {
  const ApiError error = http_error(status, message);
  HttpResponse response = error_response(error, form_of(request.path));
  RequestRecord record;
  record.request_id = request_id_of(request);
  record.method = request.method;
  record.route = "other";
  record.peer = request.peer;
  record.status = status;
  record.error_type = error.kind().name;
  record.error = message;
  record.started = std::chrono::system_clock::now();
  finish(request, record, response);
  return response;
}

void Api::finish(const HttpRequest& request, RequestRecord& record, HttpResponse& response) {
  response.headers.emplace_back("x-request-id", record.request_id);
  add_cors(request, response);
  operations_.observe(record);
}

void Api::add_cors(const HttpRequest& request, HttpResponse& response) const {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || options_.cors_allow_origin.empty()) return;
  const auto allows = [&](std::string_view allowed) { return allowed == "*" || allowed == origin; };
  const auto found = std::ranges::find_if(options_.cors_allow_origin, allows);
  if (found == options_.cors_allow_origin.end()) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", *found);
  if (*found != "*") response.headers.emplace_back("Vary", "Origin");
  response.headers.emplace_back("Access-Control-Expose-Headers", kExposedHeaders);
  if (request.method == "OPTIONS") {
    response.headers.emplace_back("Access-Control-Allow-Headers", kAllowedHeaders);
    response.headers.emplace_back("Access-Control-Max-Age", "86400");
  }
}

ServedModel& Api::model(const std::optional<std::string>& name) const {
  ServedModel* found = models_.find(name.value_or(""));
  if (found != nullptr) return *found;
  throw ApiError("model_not_found",
                 fmt::format("no model is served as \"{:.100}\"; there are: {}", *name, models_.names()), "model");
}

Api::Place::Place(Api& api) : taken_(api.taken_) {
  if (taken_.fetch_add(1) < api.options_.max_concurrent_requests) return;
  taken_.fetch_sub(1);
  throw ApiError("overloaded", fmt::format("{} requests are being worked on, and no more are taken; try again later",
                                           api.options_.max_concurrent_requests));
}

Api::Place::~Place() { taken_.fetch_sub(1); }

MetricsLabels metrics_labels(const ModelRegistry& models) {
  MetricsLabels labels;
  for (const Route& route : routes()) labels.routes.push_back({route.method, route.path});
  for (const auto& model : models.all()) labels.models.push_back(model->name());
  for (const ErrorKind& kind : error_kinds()) labels.error_types.emplace_back(kind.name);
  return labels;
}

const std::vector<Route>& routes() {
  static const std::vector<Route> all = [] {
    std::vector<Route> table;
    for (auto part : {tei_routes(), openai_routes(), inspect_routes(), rerank_routes(), sparse_routes(),
                      operation_routes(), page_routes()}) {
      for (Route& route : part) table.push_back(std::move(route));
    }
    return table;
  }();
  return all;
}

const std::vector<const char*>& common_errors() {
  static const std::vector<const char*> kinds = {
      "unauthorized",       "bad_request",       "request_timeout", "payload_too_large", "uri_too_long", "overloaded",
      "expectation_failed", "headers_too_large", "internal",        "not_implemented",   "http_version"};
  return kinds;
}

const std::vector<const char*>& body_errors() {
  static const std::vector<const char*> kinds = {"invalid_json", "unsupported_media_type", "invalid_argument"};
  return kinds;
}

}  // namespace treble::server
