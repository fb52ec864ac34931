#include "api/api_error.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

namespace treble::server {
namespace {

using nlohmann::json;

std::string header_of(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

TEST(ApiError, EveryErrorOfTheLibraryHasARowOfItsOwn) {
  std::set<std::string> names;
  for (const ErrorKind& kind : error_kinds()) {
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
    EXPECT_TRUE(kind.status >= 400 && kind.status < 600) << kind.name;
    EXPECT_STREQ(error_kind(kind.name).name, kind.name);
  }
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    const ErrorMapping& row = mapping(static_cast<ErrorCode>(code));
    EXPECT_TRUE(names.contains(row.name)) << row.name;
    EXPECT_EQ(error_kind(row.name).status, row.http_status) << row.name;
  }
  EXPECT_STREQ(error_kind("no such kind").name, "internal");
}

TEST(ApiError, TheFormOfTei) {
  const HttpResponse response = error_response(ApiError("empty_input", "it is empty", "inputs", 3), ErrorForm::tei);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(json::parse(response.body), (json{{"error", "it is empty"}, {"error_type", "Empty"}, {"index", 3}}));
  const HttpResponse plain = error_response(ApiError("overloaded", "later"), ErrorForm::tei);
  EXPECT_EQ(json::parse(plain.body), (json{{"error", "later"}, {"error_type", "Overloaded"}}));
  EXPECT_EQ(header_of(plain, "Retry-After"), "1");
  EXPECT_EQ(header_of(response, "Retry-After"), "");
}

TEST(ApiError, TheFormOfOpenai) {
  const auto error_of = [](const ApiError& error) {
    return json::parse(error_response(error, ErrorForm::openai).body)["error"];
  };
  EXPECT_EQ(error_of(ApiError("invalid_argument", "wrong", "input", 2)), (json{{"message", "wrong"},
                                                                               {"type", "invalid_request_error"},
                                                                               {"param", "input[2]"},
                                                                               {"code", "invalid_argument"}}));
  EXPECT_EQ(error_of(ApiError("invalid_argument", "wrong", "dimensions"))["param"], "dimensions");
  EXPECT_TRUE(error_of(ApiError("internal", "wrong"))["param"].is_null());
  const HttpResponse locked = error_response(ApiError("unauthorized", "no key"), ErrorForm::openai);
  EXPECT_EQ(header_of(locked, "WWW-Authenticate"), "Bearer");
}

TEST(ApiError, MessagesMayQuoteAnything) {
  const HttpResponse response = error_response(ApiError("bad_request", "not \xff UTF-8 \" \\ \n"), ErrorForm::tei);
  EXPECT_NE(json::parse(response.body)["error"].get<std::string>().find("UTF-8"), std::string::npos);
}

TEST(ApiError, OfTheLibrary) {
  const Error error(ErrorCode::text_too_long, "text 4: too long", {.text_index = 4});
  const ApiError answer(error, "input");
  EXPECT_STREQ(answer.kind().name, "text_too_long");
  EXPECT_EQ(answer.index(), 4);
  EXPECT_EQ(answer.param(), "input");
}

TEST(ApiError, OfHttp) {
  for (const auto& [status, name] : {std::pair{400, "bad_request"},
                                     {408, "request_timeout"},
                                     {413, "payload_too_large"},
                                     {414, "uri_too_long"},
                                     {417, "expectation_failed"},
                                     {429, "overloaded"},
                                     {431, "headers_too_large"},
                                     {500, "internal"},
                                     {501, "not_implemented"},
                                     {505, "http_version"}}) {
    EXPECT_STREQ(http_error(status, "as HTTP has it").kind().name, name) << status;
    EXPECT_EQ(http_error(status, "as HTTP has it").kind().status, status);
  }
}

}  // namespace
}  // namespace treble::server
