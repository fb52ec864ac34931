#include "http/http_client.h"

#include <gtest/gtest.h>

#include "http/canned_server.h"
#include "treble/error.h"

namespace treble::server {
namespace {

using namespace std::chrono_literals;

ErrorCode error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::internal;
}

TEST(HttpClient, Urls) {
  const auto url = parse_http_url("http://collector.example:4318/v1/traces?x=1");
  EXPECT_EQ(url.host, "collector.example");
  EXPECT_EQ(url.port, 4318);
  EXPECT_EQ(url.path, "/v1/traces?x=1");
  EXPECT_EQ(parse_http_url("http://h").port, 80);
  EXPECT_EQ(parse_http_url("http://h").path, "/");
  EXPECT_EQ(parse_http_url("http://[::1]:4318/a").host, "::1");
  EXPECT_EQ(parse_http_url("http://[::1]:4318/a").port, 4318);
  for (const char* bad :
       {"", "h:80", "ftp://h", "http://", "http:///x", "http://h:", "http://h:0", "http://h:65536", "http://h:8x",
        "http://[::1", "http://[::1]x", "http://u:p@h", "http://h/a b", "http://h\r\n"}) {
    EXPECT_EQ(error_of([&] { parse_http_url(bad); }), ErrorCode::invalid_argument) << bad;
  }
  EXPECT_EQ(error_of([] { parse_http_url("https://h"); }), ErrorCode::unsupported);
}

TEST(HttpClient, PostsAndReadsTheAnswer) {
  CannedServer server([](auto) { return canned_answer(202, "thanks"); });
  const auto response = post(parse_http_url(server.url() + "/here"), {{"content-type", "text/plain"}}, "a body", 10s);
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.body, "thanks");
  EXPECT_EQ(response.content_type, "application/json");
  const auto request = server.requests(1).at(0);
  EXPECT_TRUE(request.starts_with("POST /here HTTP/1.1\r\n")) << request;
  EXPECT_TRUE(request.ends_with("\r\n\r\na body")) << request;
  EXPECT_NE(request.find("content-type: text/plain"), std::string::npos) << request;
}

TEST(HttpClient, ServersThatDoNotAnswer) {
  CannedServer silent([](auto) { return std::string(); });
  EXPECT_EQ(error_of([&] { post(parse_http_url(silent.url()), {}, "x", 100ms); }), ErrorCode::deadline_exceeded);
  CannedServer gibberish([](auto) { return std::string("220 smtp.example ESMTP\r\n"); });
  EXPECT_EQ(error_of([&] { post(parse_http_url(gibberish.url()), {}, "x", 10s); }), ErrorCode::io);
  CannedServer cut([](auto) { return std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"); });
  EXPECT_EQ(error_of([&] { post(parse_http_url(cut.url()), {}, "x", 10s); }), ErrorCode::io);
  CannedServer huge([](auto) { return canned_answer(200, std::string(2'000'000, 'x')); });
  EXPECT_EQ(error_of([&] { post(parse_http_url(huge.url()), {}, "x", 10s); }), ErrorCode::io);
  std::string nobody;
  {
    CannedServer server([](auto) { return canned_answer(200); });
    nobody = server.url();
  }
  EXPECT_EQ(error_of([&] { post(parse_http_url(nobody), {}, "x", 10s); }), ErrorCode::io);
}

}  // namespace
}  // namespace treble::server
