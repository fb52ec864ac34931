// The documentation of the API, from the table of routes.
#pragma once

#include <string>

namespace treble::server {

/// OpenAPI 3.1 as JSON.
std::string openapi_json();

/// A page for people: every route, its fields and errors; without scripts.
std::string docs_page();

}  // namespace treble::server
