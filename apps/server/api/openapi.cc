#include "api/openapi.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "api/page_routes.h"
#include "api/route.h"
#include "api/schemas.h"
#include "treble/version.h"

namespace treble::server {

namespace {

using OrderedJson = nlohmann::ordered_json;

bool reads_body(const Route& route) { return *route.request != '\0'; }

/// Everything that the route may answer with, once each.
std::vector<const ErrorKind*> errors_of(const Route& route) {
  std::vector<const char*> names = route.errors;
  for (const char* name : common_errors()) {
    if (!route.open || std::string_view(name) != "unauthorized") names.push_back(name);
  }
  if (reads_body(route)) names.insert(names.end(), body_errors().begin(), body_errors().end());
  std::vector<const ErrorKind*> kinds;
  for (const char* name : names) {
    const ErrorKind* kind = &error_kind(name);
    if (std::ranges::find(kinds, kind) == kinds.end()) kinds.push_back(kind);
  }
  std::ranges::stable_sort(kinds, {}, [](const ErrorKind* kind) { return kind->status; });
  return kinds;
}

OrderedJson reference(const std::string& schema) { return {{"$ref", "#/components/schemas/" + schema}}; }

OrderedJson content(const std::string& schema) {
  const bool media_type = schema.find('/') != std::string::npos;
  if (media_type) return {{schema, {{"schema", {{"type", "string"}}}}}};
  return {{"application/json", {{"schema", reference(schema)}}}};
}

OrderedJson responses_of(const Route& route) {
  OrderedJson responses;
  if (*route.response != '\0') {
    responses["200"] = {{"description", route.summary}, {"content", content(route.response)}};
  }
  // A file of the page that the browser has already.
  const auto is_of_page = [&](const Asset& asset) { return route.path == std::string_view(asset.path); };
  const bool page = std::string_view(route.method) == "GET" && std::ranges::any_of(page_assets(), is_of_page);
  if (page) responses["304"] = {{"description", "not changed since If-None-Match"}};
  std::map<int, std::string> descriptions;
  for (const ErrorKind* kind : errors_of(route)) {
    std::string& text = descriptions[kind->status];
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", kind->name, kind->when);
  }
  const std::string form = route.form == ErrorForm::openai ? "OpenAIError" : "TeiError";
  for (const auto& [status, text] : descriptions) {
    // A server that is not ready says of which model, not that there was an error.
    const bool health = std::string_view(route.path) == "/health" && status == 503;
    responses[std::to_string(status)] = {{"description", text}, {"content", content(health ? route.response : form)}};
  }
  return responses;
}

OrderedJson operation_of(const Route& route) {
  OrderedJson operation = {{"summary", route.summary}};
  if (*route.request != '\0') {
    operation["requestBody"] = {{"required", true}, {"content", content(route.request)}};
  }
  if (std::string_view(route.path).ends_with("{model}")) {
    operation["parameters"] = {
        {{"name", "model"}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}, {"minLength", 1}}}}};
  }
  operation["responses"] = responses_of(route);
  operation["security"] = OrderedJson::array();
  if (!route.open) operation["security"] = {{{"bearer", OrderedJson::array()}}, OrderedJson::object()};
  return operation;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string type_of(const OrderedJson& field) {
  if (field.contains("$ref")) return lower(field["$ref"].get<std::string>().substr(21));
  if (!field.contains("type")) return field.contains("oneOf") ? type_of(field["oneOf"].front()) : "any";
  const OrderedJson& type = field["type"];
  return type.is_array() ? type.front().get<std::string>() : type.get<std::string>();
}

constexpr const char* kPageHead =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
    "<title>treble: the API</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem;color:#1b1b1f;background:#fff}code{font-family:ui-monospace,monospace}h2{margin-top:2.5rem;"
    "border-top:1px solid #ccc;padding-top:1rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;"
    "vertical-align:top;padding:.25rem .75rem .25rem 0}@media(prefers-color-scheme:dark){body{color:#e6e6ea;"
    "background:#16161a}a{color:#9bb8ff}}</style><h1>treble: the API</h1><p>As JSON: <a "
    "href=\"openapi.json\">openapi.json</a>. A page to try it on: <a href=\"./\">/</a>.</p>";

std::string fields_table(const Route& route) {
  const OrderedJson& schema = schemas()[route.request];
  if (!schema.contains("properties")) return {};
  std::string html = "<table><tr><th>field<th>kind<th>meaning";
  const auto required = schema.value("required", std::vector<std::string>());
  for (const auto& [name, field] : schema["properties"].items()) {
    const bool needed = std::ranges::find(required, name) != required.end();
    html += fmt::format("<tr><td><code>{}</code><td>{}{}<td>{}", name, type_of(field), needed ? ", required" : "",
                        field.value("description", ""));
  }
  return html + "</table>";
}

std::string errors_table(const Route& route) {
  std::string html = "<table><tr><th>status<th>code<th>when";
  for (const ErrorKind* kind : errors_of(route)) {
    html += fmt::format("<tr><td>{}<td><code>{}</code><td>{}", kind->status, kind->name, kind->when);
  }
  return html + "</table>";
}

}  // namespace

std::string openapi_json() {
  OrderedJson paths;
  std::vector<Route> table = routes();
  for (const Route& route : table) paths[route.path][lower(route.method)] = operation_of(route);
  const OrderedJson json = {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "treble"},
        {"version", version()},
        {"description", "Text embeddings with the temperature of attention as a field of every request."},
        {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"paths", paths},
      {"components",
       {{"schemas", schemas()}, {"securitySchemes", {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
  return json.dump(1);
}

std::string docs_page() {
  std::string html = kPageHead;
  for (const Route& route : routes()) {
    html += fmt::format("<h2><code>{} {}</code></h2><p>{}.</p>", route.method, route.path, route.summary);
    if (*route.request != '\0') html += fields_table(route);
    html += errors_table(route);
  }
  return html;
}

}  // namespace treble::server
