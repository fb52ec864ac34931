// Health, metrics and documentation.
#include <utility>

#include "api/api.h"
#include "api/openapi.h"

namespace treble::server {

namespace {

void handle_health(Api& api, const std::shared_ptr<Call>& call) {
  api.health().check([call](const Health& health) {
    call->guard([&] {
      HttpResponse response = {.status = health.ready() ? 200 : error_kind("not_ready").status,
                               .body = to_json(health)};
      if (!health.ready()) call->record().error_type = "not_ready";
      call->answer(std::move(response));
    });
  });
}

void handle_ping(Api& /*api*/, const std::shared_ptr<Call>& call) {
  call->answer({.content_type = "text/plain; charset=utf-8", .body = "pong\n"});
}

void handle_metrics(Api& api, const std::shared_ptr<Call>& call) {
  call->answer({.content_type = Metrics::content_type, .body = api.operations().metrics().text()});
}

void handle_openapi(Api& /*api*/, const std::shared_ptr<Call>& call) { call->answer({.body = openapi_json()}); }

void handle_docs(Api& /*api*/, const std::shared_ptr<Call>& call) {
  call->answer({.content_type = "text/html; charset=utf-8",
                .headers = {{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"},
                            {"X-Content-Type-Options", "nosniff"}},
                .body = docs_page()});
}

}  // namespace

std::vector<Route> operation_routes() {
  return {
      {"GET",
       "/health",
       "Ready: each model gives the vectors that it gave at the start",
       ErrorForm::tei,
       true,
       "",
       "HealthResponse",
       {"not_ready"},
       handle_health},
      {"GET", "/ping", "Alive: the process answers", ErrorForm::tei, true, "", "text/plain", {}, handle_ping},
      {"GET", "/metrics", "Metrics for Prometheus", ErrorForm::tei, true, "", "text/plain", {}, handle_metrics},
      {"GET", "/openapi.json", "This API as OpenAPI 3.1", ErrorForm::tei, true, "", "AnyResponse", {}, handle_openapi},
      {"GET",
       "/api-doc/openapi.json",
       "The same, where TEI has it",
       ErrorForm::tei,
       true,
       "",
       "AnyResponse",
       {},
       handle_openapi},
      {"GET", "/docs", "This API for people", ErrorForm::tei, true, "", "text/html", {}, handle_docs},
  };
}

}  // namespace treble::server
