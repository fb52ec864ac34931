#include "api/page_routes.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace treble::server {
namespace {

std::string page_header(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

TEST(PageRoutes, TheFilesThatThePageNeeds) {
  std::vector<std::string_view> paths;
  for (const Asset& asset : page_assets()) {
    paths.emplace_back(asset.path);
    EXPECT_FALSE(asset.bytes.empty()) << asset.path;
    EXPECT_TRUE(asset.etag.starts_with('"') && asset.etag.ends_with('"') && asset.etag.size() > 10) << asset.etag;
  }
  EXPECT_EQ(paths, (std::vector<std::string_view>{"/", "/app.js", "/style.css", "/favicon.svg"}));
  const std::string_view html = page_assets()[0].bytes;
  for (const std::string_view name : {"app.js", "style.css", "favicon.svg"}) {
    EXPECT_NE(html.find(name), std::string_view::npos) << name;
  }
}

TEST(PageRoutes, NothingInlineAsThePolicyForbidsIt) {
  const HttpResponse response = page_response(page_assets()[0], HttpRequest{});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/html; charset=utf-8");
  EXPECT_EQ(response.body, page_assets()[0].bytes);
  const std::string policy = page_header(response, "Content-Security-Policy");
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(response.body.find("<style"), std::string::npos);
  EXPECT_EQ(response.body.find(" style="), std::string::npos);
  EXPECT_EQ(response.body.find("<script>"), std::string::npos);
}

TEST(PageRoutes, WhatTheBrowserHasIsNotSentAgain) {
  const Asset& script = page_assets()[1];
  HttpRequest request;
  request.headers = {{"if-none-match", "W/" + std::string(script.etag)}};
  const HttpResponse response = page_response(script, request);
  EXPECT_EQ(response.status, 304);
  EXPECT_TRUE(response.body.empty());
  EXPECT_EQ(page_header(response, "ETag"), script.etag);
  request.headers = {{"if-none-match", "\"another\""}};
  EXPECT_EQ(page_response(script, request).status, 200);
}

}  // namespace
}  // namespace treble::server
