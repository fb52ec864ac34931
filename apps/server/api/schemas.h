// Bodies of requests and answers, as JSON Schema.
#pragma once

#include <nlohmann/json.hpp>

namespace treble::server {

/// By name, as in Route::request and Route::response.
const nlohmann::ordered_json& schemas();

}  // namespace treble::server
