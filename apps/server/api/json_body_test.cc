#include "api/json_body.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "api/api_error.h"

namespace treble::server {
namespace {

std::vector<std::string_view> known() { return {"inputs", "temperature", "dimensions", "parameters", "layers"}; }

HttpRequest request_of(std::string body, const std::string& content_type = "application/json") {
  return {.headers = {{"content-type", content_type}}, .body = std::move(body)};
}

/// "invalid_json: the body …", or "no error".
std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const ApiError& error) {
    return std::string(error.kind().name) + "(" + error.param() + "): " + error.what();
  }
  return "no error";
}

std::string refusal_of(const std::string& body, const std::string& content_type = "application/json") {
  return refusal([&] { JsonBody(request_of(body, content_type), known()); });
}

void expect_words(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words) EXPECT_NE(text.find(word), std::string::npos) << word << " in " << text;
}

TEST(JsonBody, ContentTypes) {
  for (const char* type :
       {"", "application/json", "Application/JSON", "application/json; charset=utf-8", "application/json ;x=y"}) {
    EXPECT_EQ(refusal_of("{}", type), "no error") << type;
  }
  for (const char* type : {"text/plain", "application/jsonx", "application/x-www-form-urlencoded", ";"}) {
    const std::string said = refusal_of("{}", type);
    if (std::string(type) == ";") continue;  // no type at all
    EXPECT_EQ(said.find("unsupported_media_type"), 0U) << type;
  }
}

TEST(JsonBody, NoJsonAndNoObject) {
  for (const char* body : {"", "{", "{}x", "\xff", "{\"inputs\": \"\\ud800\"}", "{\"inputs\": \"\xc3\"}", "[1]", "1",
                           R"("x")", "null", R"({"a": 1e999})"}) {
    EXPECT_EQ(refusal_of(body).find("invalid_json(): the body"), 0U) << body << ": " << refusal_of(body);
  }
  expect_words(refusal_of("[1]"), {"a JSON object, not a list"});
  expect_words(refusal_of(R"({"a": 1e999})"), {"too large"});
}

TEST(JsonBody, DepthIsLimitedOutsideTexts) {
  const auto nested = [](std::size_t levels) {
    return "{\"inputs\": " + std::string(levels, '[') + std::string(levels, ']') + "}";
  };
  EXPECT_EQ(refusal_of(nested(31)), "no error");
  expect_words(refusal_of(nested(32)), {"invalid_json", "more than 32 levels"});
  // What walks a value would need a frame of the stack for each.
  expect_words(refusal_of(nested(1'000'000)), {"more than 32 levels"});
  expect_words(refusal_of(std::string(1'000'000, '[')), {"more than 32 levels"});
  const std::string brackets(1000, '{');
  EXPECT_EQ(refusal_of(R"({"inputs": ")" + brackets + R"("})"), "no error");
  EXPECT_EQ(refusal_of(R"({"inputs": "\")" + brackets + R"(\\"})"), "no error");
  EXPECT_EQ(refusal_of("{\"inputs\": [" + std::string(1000, ' ') + "[], [], []]}"), "no error");
}

TEST(JsonBody, MisspellingsAreRefusedAndForeignFieldsNamed) {
  expect_words(refusal_of(R"({"temprature": 1})"), {"invalid_argument(temprature)", "did you mean `temperature`?"});
  expect_words(refusal_of(R"({"dimension": 1})"), {"did you mean `dimensions`?"});
  const JsonBody body(request_of(R"({"inputs": "x", "user": "me", "raw_scores": true})"), known());
  EXPECT_EQ(body.ignored(), (std::vector<std::string>{"raw_scores", "user"}));
}

TEST(JsonBody, NullIsNotThere) {
  const JsonBody body(request_of(R"({"temperature": null, "dimensions": 3})"), known());
  EXPECT_EQ(body.find("temperature"), nullptr);
  EXPECT_EQ(body.find("inputs"), nullptr);
  EXPECT_NE(body.find("dimensions"), nullptr);
  expect_words(refusal([&] { body.require("temperature"); }), {"(temperature)", "`temperature` is missing"});
}

TEST(JsonBody, KindsOfValues) {
  const JsonBody body(request_of(R"({"inputs": "text", "temperature": true, "dimensions": 7})"), known());
  EXPECT_EQ(body.text("inputs"), "text");
  EXPECT_EQ(body.boolean("temperature"), true);
  EXPECT_EQ(body.integer("dimensions", 1, 7), 7);
  EXPECT_EQ(body.text("layers"), std::nullopt);
  EXPECT_EQ(body.boolean("layers"), std::nullopt);
  EXPECT_EQ(body.integer("layers", 0, 1), std::nullopt);
  expect_words(refusal([&] { body.boolean("inputs"); }), {"(inputs)", "true or false, not a text"});
  expect_words(refusal([&] { body.text("dimensions"); }), {"(dimensions)", "a text, not 7"});
  expect_words(refusal([&] { body.integer("dimensions", 1, 6); }), {"a whole number from 1 to 6, not 7"});
  expect_words(refusal([&] { body.integer("temperature", 0, 1); }), {"not true or false"});
}

TEST(JsonBody, WholeNumbersAreOf64Bits) {
  const auto read = [](const std::string& number) {
    const JsonBody body(request_of("{\"dimensions\": " + number + "}"), known());
    return body.integer("dimensions", INT64_MIN, INT64_MAX);
  };
  EXPECT_EQ(read("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(read("-9223372036854775808"), INT64_MIN);
  for (const char* number : {"9223372036854775808", "18446744073709551615", "1.0", "1e3", "99999999999999999999"}) {
    expect_words(refusal([&] { read(number); }), {"(dimensions)", "a whole number"});
  }
}

TEST(JsonBody, ListsOfWholeNumbers) {
  const auto read = [](const std::string& list) {
    return JsonBody(request_of("{\"layers\": " + list + "}"), known()).integers("layers", {0, 9, 3});
  };
  EXPECT_EQ(read("[]"), std::vector<std::int64_t>());
  EXPECT_EQ(read("[9, 0, 9]"), (std::vector<std::int64_t>{9, 0, 9}));
  EXPECT_EQ(read("null"), std::nullopt);
  for (const char* list : {"[10]", "[-1]", "[1, 2, 3, 4]", "[1.5]", "[\"1\"]", "[null]", "1", "{}", "[[1]]"}) {
    expect_words(refusal([&] { read(list); }),
                 {"(layers)", "a list of at most 3 whole numbers from 0 to 9", list[0] == '1' ? "1" : ""});
  }
}

TEST(JsonBody, UnfoldedFieldsComeAfterTheBodysOwn) {
  JsonBody body(request_of(R"({"dimensions": 3, "parameters": {"dimensions": 4, "temperature": 2, "other": 1}})"),
                known());
  body.unfold("parameters", {"dimensions", "temperature"});
  EXPECT_EQ(body.integer("dimensions", 1, 9), 3);
  EXPECT_EQ(body.integer("temperature", 1, 9), 2);
  EXPECT_EQ(body.ignored(), std::vector<std::string>{"other"});
  JsonBody wrong(request_of(R"({"parameters": [1]})"), known());
  expect_words(refusal([&] { wrong.unfold("parameters", {}); }), {"(parameters)", "an object, not a list"});
  JsonBody misspelt(request_of(R"({"parameters": {"temprature": 1}})"), known());
  expect_words(refusal([&] { misspelt.unfold("parameters", {"temperature"}); }), {"did you mean `temperature`?"});
}

}  // namespace
}  // namespace treble::server
