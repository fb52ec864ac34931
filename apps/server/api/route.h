// The one table of routes: the router, openapi.json, docs/server.md and the labels of the metrics come from it.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "api/api_error.h"

namespace treble::server {

class Call;
class Api;

struct Route {
  const char* method;
  const char* path;
  const char* summary;              ///< a line, for the documentation
  ErrorForm form;                   ///< of its errors
  bool open;                        ///< without an API key
  const char* request;              ///< schema of the body in openapi.json; "": none
  const char* response;             ///< schema of the answer; a media type where it is not JSON
  std::vector<const char*> errors;  ///< names of the ErrorKinds that it answers with, beside those of every route
  std::function<void(Api& api, const std::shared_ptr<Call>& call)> handle;
};

/// Every route; made once.
const std::vector<Route>& routes();

/// The kinds that any route may answer with, and those that any route with a body may.
const std::vector<const char*>& common_errors();
const std::vector<const char*>& body_errors();

// What routes() is put together from.
std::vector<Route> tei_routes();
std::vector<Route> openai_routes();
std::vector<Route> inspect_routes();
std::vector<Route> rerank_routes();
std::vector<Route> sparse_routes();
std::vector<Route> operation_routes();
std::vector<Route> page_routes();

}  // namespace treble::server
