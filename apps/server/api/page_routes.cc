#include "api/page_routes.h"

#include <string>

#include "api/call.h"
#include "api/route.h"

namespace treble::server {

namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// If-None-Match compares weakly: a proxy that compresses makes W/"…" of "…".
bool has_current(std::string_view if_none_match, std::string_view etag) {
  return if_none_match == "*" || if_none_match.find(etag) != std::string_view::npos;
}

}  // namespace

HttpResponse page_response(const Asset& asset, const HttpRequest& request) {
  HttpResponse response;
  response.content_type = asset.content_type;
  // Asked for anew each time, and not sent again while it is the same: a new version is seen at once.
  response.headers = {{"ETag", std::string(asset.etag)},
                      {"Cache-Control", "no-cache"},
                      {"Content-Security-Policy", std::string(kPolicy)},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"}};
  if (has_current(request.header("if-none-match"), asset.etag)) {
    response.status = 304;
    return response;
  }
  response.body = asset.bytes;
  return response;
}

std::vector<Route> page_routes() {
  std::vector<Route> table;
  for (const Asset& asset : page_assets()) {
    table.push_back({"GET",
                     asset.path,
                     "The page to try it on, and its files",
                     ErrorForm::tei,
                     true,
                     "",
                     asset.content_type,
                     {},
                     [&asset](Api& /*api*/, const std::shared_ptr<Call>& call) {
                       call->answer(page_response(asset, call->request()));
                     }});
  }
  return table;
}

}  // namespace treble::server
