#include "api/api.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <stop_token>
#include <thread>

#include "api/schemas.h"
#include "api/test_api.h"

namespace treble::server {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr const char* kFolder = TREBLE_SOURCE_DIR "/tests/golden/bert/model";

std::string header_of(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

/// OpenAI's `code` of an error, which is the name of its kind.
std::string code_of(const HttpResponse& response) {
  return json::parse(response.body).at("error").at("code").get<std::string>();
}

/// Many texts of the model's full length: seconds of work.
json long_texts() {
  json texts = json::array();
  for (int i = 0; i < 2000; ++i) {
    std::string text = "text " + std::to_string(i);
    for (int word = 0; word < 120; ++word) text += " harbour";
    texts.push_back(text);
  }
  return texts;
}

TEST(Routes, TheTableNamesWhatThereIs) {
  std::set<std::pair<std::string, std::string>> seen;
  for (const Route& route : routes()) {
    const std::string where = std::string(route.method) + " " + route.path;
    EXPECT_TRUE(seen.emplace(route.method, route.path).second) << where;
    EXPECT_EQ(route.form == ErrorForm::openai, std::string_view(route.path).starts_with("/v1/")) << where;
    EXPECT_NE(route.handle, nullptr) << where;
    for (const char* error : route.errors) EXPECT_STREQ(error_kind(error).name, error) << where;
    for (const std::string schema : {route.request, route.response}) {
      const bool media_type = schema.find('/') != std::string::npos;
      EXPECT_TRUE(schema.empty() || media_type || schemas().contains(schema)) << where << ": " << schema;
    }
    const std::set<std::string_view> probes = {"/health", "/ping", "/metrics", "/docs", "/openapi.json"};
    EXPECT_TRUE(route.open || !probes.contains(route.path)) << where;
    EXPECT_TRUE(!route.open || std::string_view(route.method) == "GET") << where;
  }
  for (const auto* errors : {&common_errors(), &body_errors()}) {
    for (const char* error : *errors) EXPECT_STREQ(error_kind(error).name, error);
  }
}

TEST(Api, PathsAndMethods) {
  TestApi api(kFolder);
  EXPECT_EQ(api.get("/nowhere").status, 404);
  EXPECT_EQ(code_of(api.get("/v1/nowhere")), "no_such_route");
  EXPECT_EQ(code_of(api.get("/v1/models/")), "no_such_route");
  EXPECT_EQ(code_of(api.get("/v1/models/other")), "model_not_found");
  EXPECT_EQ(api.get("/v1/models/%74iny").status, 200);
  EXPECT_EQ(code_of(api.get("/v1/models/%7")), "model_not_found");
  const HttpResponse wrong = api.get("/embed");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(header_of(wrong, "Allow"), "POST, OPTIONS");
  const HttpResponse options = api.ask({.method = "OPTIONS", .path = "/info"});
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(header_of(options, "Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(api.ask({.method = "HEAD", .path = "/ping"}).status, 200);
  EXPECT_EQ(api.ask({.method = "DELETE", .path = "/"}).status, 405);
}

TEST(Api, KeysAndRequestIds) {
  TestApi api(kFolder, {.api_keys = {"first", "second"}});
  EXPECT_EQ(api.get("/info").status, 401);
  EXPECT_EQ(api.get("/nowhere").status, 401);
  EXPECT_EQ(api.get("/ping").status, 200);
  for (const char* given : {"Bearer ", "Bearer firs", "Bearer firstx", "first", "Basic first", "Bearer  first"}) {
    EXPECT_EQ(api.get("/info", {{"authorization", given}}).status, 401) << given;
  }
  for (const char* given : {"Bearer first", "bearer second", "BEARER first"}) {
    EXPECT_EQ(api.get("/info", {{"authorization", given}}).status, 200) << given;
  }
  EXPECT_EQ(header_of(api.get("/ping", {{"x-request-id", "mine-1"}}), "x-request-id"), "mine-1");
  for (const std::string& given : {std::string("two words"), std::string(200, 'x'), std::string("\x01")}) {
    const std::string id = header_of(api.get("/ping", {{"x-request-id", given}}), "x-request-id");
    EXPECT_EQ(id.size(), 32U) << given;
  }
}

TEST(Api, PagesOfOtherOrigins) {
  TestApi api(kFolder, {.cors_allow_origin = {"https://a.example", "https://b.example"}});
  const auto allowed = [&](const char* origin) {
    return header_of(api.get("/ping", {{"origin", origin}}), "Access-Control-Allow-Origin");
  };
  EXPECT_EQ(allowed("https://b.example"), "https://b.example");
  EXPECT_EQ(allowed("https://c.example"), "");
  EXPECT_EQ(allowed(""), "");
  EXPECT_EQ(header_of(api.get("/ping", {{"origin", "https://a.example"}}), "Vary"), "Origin");
  const HttpResponse before =
      api.ask({.method = "OPTIONS", .path = "/embed", .headers = {{"origin", "https://a.example"}}});
  EXPECT_NE(header_of(before, "Access-Control-Allow-Headers").find("authorization"), std::string::npos);
  TestApi open(kFolder, {.cors_allow_origin = {"*"}});
  EXPECT_EQ(header_of(open.get("/ping", {{"origin", "https://c.example"}}), "Access-Control-Allow-Origin"), "*");
}

TEST(Api, RefusalsOfHttpAreErrorsOfTheApi) {
  TestApi api(kFolder);
  for (const int status : {400, 408, 413, 414, 417, 429, 431, 500, 501, 505}) {
    HttpRequest request;
    request.path = "/v1/embeddings";
    const HttpResponse response = api.api().refuse(status, "as HTTP says", request);
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(json::parse(response.body)["error"]["message"], "as HTTP says");
    EXPECT_EQ(header_of(response, "Retry-After"), status == 429 ? "1" : "") << status;
  }
}

TEST(Api, PlacesAreLimitedAndGivenBack) {
  TestApi api(kFolder, {.max_concurrent_requests = 1});
  const std::vector<std::string> routes = {"/embed", "/embed_all", "/tokenize", "/inspect"};
  const std::string body = R"({"inputs": ["a cat", "the ferry"]})";
  {
    const Api::Place place(api.api());
    for (const std::string& route : routes) {
      const HttpResponse refused = api.post(route, body);
      EXPECT_EQ(refused.status, 429) << route;
      EXPECT_EQ(header_of(refused, "Retry-After"), "1") << route;
    }
    EXPECT_EQ(api.get("/info").status, 200);
  }
  // Who has the answer finds the place free.
  for (int i = 0; i < 50; ++i) {
    for (const std::string& route : routes) ASSERT_EQ(api.post(route, body).status, 200) << route << " " << i;
  }
}

TEST(Api, AFieldOfAModelThatIsNotThere) {
  TestApi api(kFolder);
  for (const char* path : {"/embed", "/", "/embed_all", "/tokenize", "/inspect"}) {
    const HttpResponse response = api.post(path, R"({"inputs": "x", "model": "other"})");
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_NE(response.body.find("there are: tiny"), std::string::npos) << path;
  }
}

TEST(Inspect, EndsAtTheDeadlineAndWithItsClient) {
  TestApi api(kFolder);
  const json body = {{"inputs", long_texts()},   {"temperatures", {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}},
                     {"sample", 1000},           {"bootstrap", 0},
                     {"cut_lengths", {60, 100}}, {"probe_texts", 64}};
  const HttpResponse late = api.post("/inspect", body.dump(), {{"x-request-timeout-ms", "300"}});
  EXPECT_EQ(late.status, 504) << late.body.substr(0, 300);
  EXPECT_NE(late.body.find("while the request was worked on"), std::string::npos) << late.body.substr(0, 300);
  HttpRequest request = {.method = "POST", .path = "/inspect", .body = body.dump()};
  std::stop_source gone;
  request.gone = gone.get_token();
  auto answer = api.begin(std::move(request));
  std::this_thread::sleep_for(100ms);
  gone.request_stop();
  EXPECT_EQ(answer.get().status, error_kind("cancelled").status);
}

TEST(EmbedAll, EndsAtTheDeadlineAndWithItsClient) {
  TestApi api(kFolder);
  const json body = {{"inputs", long_texts()}};
  EXPECT_EQ(api.post("/embed_all", body.dump(), {{"x-request-timeout-ms", "20"}}).status, 504);
  HttpRequest request = {.method = "POST", .path = "/embed_all", .body = body.dump()};
  std::stop_source gone;
  request.gone = gone.get_token();
  auto answer = api.begin(std::move(request));
  gone.request_stop();
  EXPECT_EQ(answer.get().status, error_kind("cancelled").status);
}

TEST(EmbedAll, IdsAreTheTextThatTheyAre) {
  TestApi api(kFolder);
  const json tokens = json::parse(api.post("/tokenize", R"({"inputs": ["a cat", "the ferry"]})").body);
  json ids = json::array();
  for (const json& text : tokens) {
    json& list = ids.emplace_back(json::array());
    for (const json& token : text) list.push_back(token["id"]);
  }
  const HttpResponse of_texts = api.post("/embed_all", R"({"inputs": ["a cat", "the ferry"]})");
  const HttpResponse of_ids = api.post("/embed_all", json{{"inputs", ids}}.dump());
  EXPECT_EQ(of_ids.status, 200);
  EXPECT_EQ(of_ids.body, of_texts.body);
}

}  // namespace
}  // namespace treble::server
