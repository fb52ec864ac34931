#include "http/http_server.h"

#include <gtest/gtest.h>

#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "http/test_client.h"
#include "treble/error.h"

namespace treble::server {
namespace {

using std::chrono::milliseconds;

TEST(HttpServer, AnswersRequestsOnOneConnection) {
  TestServer server;
  auto client = server.client();
  for (int i = 0; i < 3; ++i) {
    const auto reply = client.ask(post("/echo?a=b&c", "body " + std::to_string(i)));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "POST /echo?a=b&c body " + std::to_string(i));
    EXPECT_EQ(reply.head.find("Connection:"), std::string::npos);
  }
  EXPECT_EQ(server->statistics().accepted, 1u);
  EXPECT_EQ(server->statistics().connections, 1);
}

TEST(HttpServer, GivesTheRequestAsItWasSent) {
  TestServer server;
  auto client = server.client();
  client.send("PATCH http://some.host/later?q HTTP/1.1\r\nHost: a\r\nX-Mixed-Case:  value \r\nX-Mixed-Case: 2\r\n\r\n");
  const auto [request, respond] = server.take();
  EXPECT_EQ(request->method, "PATCH");
  EXPECT_EQ(request->path, "/later");
  EXPECT_EQ(request->query, "q");
  EXPECT_EQ(request->header("x-mixed-case"), "value");
  EXPECT_EQ(request->headers.size(), 3u);
  EXPECT_TRUE(request->peer.starts_with("127.0.0.1:")) << request->peer;
  EXPECT_FALSE(request->gone.stop_requested());
  EXPECT_LT(std::chrono::steady_clock::now() - request->received, milliseconds(patience_ms));
  respond({.status = 201, .content_type = "text/x", .headers = {{"x-evil", "a\r\nSet-Cookie: b"}}, .body = "made"});
  const auto reply = client.reply();
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.body, "made");
  EXPECT_NE(reply.head.find("Content-Type: text/x\r\n"), std::string::npos);
  EXPECT_NE(reply.head.find("x-evil: a  Set-Cookie: b\r\n"), std::string::npos) << reply.head;
  EXPECT_NE(reply.head.find("Date: "), std::string::npos);
}

TEST(HttpServer, TakesBytesOneByOne) {
  TestServer server;
  auto client = server.client();
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n";
  for (const std::string& request : {post("/echo", "one by one"), chunked}) {
    for (const char byte : request) {
      client.send({&byte, 1});
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(client.reply().body, "POST /echo? one by one");
  EXPECT_EQ(client.reply().body, "POST /echo? hello!");
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  auto client = server.client();
  std::string requests = "\r\n";  // allowed before a request
  for (int i = 0; i < 50; ++i) requests += post(i % 2 == 0 ? "/later" : "/echo", std::to_string(i));
  client.send(requests);
  client.end_sending();
  for (int i = 0; i < 50; ++i) {
    if (i % 2 == 0) {
      const auto [request, respond] = server.take();
      respond({.body = "later " + request->body});
      EXPECT_EQ(client.reply().body, "later " + std::to_string(i));
    } else {
      EXPECT_EQ(client.reply().body, "POST /echo? " + std::to_string(i));
    }
  }
  EXPECT_TRUE(client.closed_by_server());
}

TEST(HttpServer, RefusesBodiesWhileOthersFillTheMemory) {
  TestServer server({.memory_limit = 1000});
  auto first = server.client();
  first.send(post("/later", std::string(900, 'x')));
  const auto held = server.take();
  auto second = server.client();
  const auto refused = second.ask(post("/echo", std::string(200, 'x')));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(server.client().ask(get("/echo")).status, 200);
  held.second({.body = "done"});
  EXPECT_EQ(first.reply().body, "done");
  EXPECT_TRUE(eventually([&] { return server.client().ask(post("/echo", std::string(200, 'x'))).status == 200; }));
}

TEST(HttpServer, ListensOnAUnixSocket) {
  const auto path = std::filesystem::path(testing::TempDir()) / ("http" + std::to_string(::getpid()) + ".sock");
  const auto echo = [](const std::shared_ptr<const HttpRequest>& request, const Respond& respond) {
    respond({.body = request->peer + " " + request->body});
  };
  {
    HttpServer server({.uds_path = path}, echo, {});
    EXPECT_EQ(server.port(), 0);
    EXPECT_EQ(server.address(), "unix:" + path.string());
    EXPECT_EQ(RawClient(path).ask(post("/", "hello")).body, "unix hello");
    EXPECT_THROW(HttpServer({.uds_path = path}, echo, {}), Error) << "a server listens there";
    EXPECT_EQ(RawClient(path).ask(post("/", "again")).body, "unix again");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    // What a killed server leaves is taken over.
    const RawClient::Bound left(path);
  }
  EXPECT_TRUE(std::filesystem::exists(path));
  {
    EXPECT_EQ(HttpServer({.uds_path = path}, echo, {}).port(), 0);
  }
  std::ofstream(path) << "a file that is no socket";
  EXPECT_THROW(HttpServer({.uds_path = path}, echo, {}), Error);
  EXPECT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove(path);
  EXPECT_THROW(HttpServer({.uds_path = std::string(200, 'x')}, echo, {}), Error);
}

/// On all threads of a server, with answers from elsewhere, clients that leave at any point and ones that stay: those
/// get their own answers.
TEST(HttpServer, ManyClientsAtOnceGetTheirOwnAnswers) {
  TestServer server({.threads = 3});
  std::atomic<bool> done{false};
  std::thread answering([&] {
    while (!done) {
      for (const auto& [request, respond] : server.take_all()) respond({.body = "later " + request->body});
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  std::vector<std::thread> clients;
  for (int c = 0; c < 24; ++c) {
    clients.emplace_back([&server, c] {
      auto client = std::make_unique<RawClient>(server->port());
      for (int i = 0; i < 40; ++i) {
        const std::string body = std::to_string(c) + "/" + std::to_string(i) + std::string(c * 1000, '.');
        const bool later = (c + i) % 3 != 0;
        if (c % 4 == 3) {  // leaves in the middle of a request, or while it is worked on
          client->send(post("/later", body).substr(0, static_cast<std::size_t>(60 + i * c * 30)));
          i % 2 == 0 ? client->reset() : client->close();
          client = std::make_unique<RawClient>(server->port());
        } else {
          ASSERT_EQ(client->ask(post(later ? "/later" : "/echo", body)).body,
                    (later ? "later " : "POST /echo? ") + body);
        }
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_TRUE(eventually([&] { return server->statistics().connections == 0; }));
  EXPECT_EQ(server->statistics().requests_in_progress, 0);
  done = true;
  answering.join();
}

TEST(HttpServer, IdleConnectionsTakeLittleMemory) {
  TestServer server;
  std::vector<RawClient> idle;
  constexpr int count = 1000;
  const auto connect_and_ask = [&] {
    idle.push_back(server.client());
    ASSERT_EQ(idle.back().ask(post("/empty", std::string(10'000, 'x'))).status, 204);
  };
  for (int i = 0; i < 100; ++i) connect_and_ask();
  const auto before = ::mallinfo2().uordblks;
  for (int i = 0; i < count; ++i) connect_and_ask();
  const auto each = (::mallinfo2().uordblks - before) / count;
  EXPECT_LT(each, 6000u);
  EXPECT_EQ(idle.front().ask(get("/echo")).status, 200);
}

TEST(HttpServer, SaysContinueToAClientThatWaitsForIt) {
  TestServer server;
  auto client = server.client();
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.ask("body").body, "POST /echo? body");
}

TEST(HttpServer, RefusesALongBodyBeforeItIsSent) {
  TestServer server({.payload_limit = 100});
  auto client = server.client();
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n");
  const auto reply = client.reply();
  EXPECT_EQ(reply.status, 413);
  EXPECT_NE(reply.body.find("limit of 100 bytes"), std::string::npos) << reply.body;
}

TEST(HttpServer, RefusalOfALongBodyReachesAClientThatSendsAllOfItFirst) {
  TestServer server({.payload_limit = 1000});
  auto client = server.client();
  EXPECT_EQ(client.ask(post("/echo", std::string(1000, 'x'))).status, 200);
  const auto reply = client.ask(post("/echo", std::string(5'000'000, 'x')));
  EXPECT_EQ(reply.status, 413);
  client.end_sending();
  EXPECT_TRUE(client.closed_by_server());
  auto chunked = server.client();
  chunked.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 10; ++i) chunked.send("c8\r\n" + std::string(200, 'x') + "\r\n");
  EXPECT_EQ(chunked.reply().status, 413);
}

TEST(HttpServer, LeavesOutTheBodyForHeadAnd204) {
  TestServer server;
  auto client = server.client();
  client.send("HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto reply = client.reply(true);
  EXPECT_NE(reply.head.find("Content-Length: 12\r\n"), std::string::npos) << reply.head;
  const auto empty = client.ask(get("/empty"));
  EXPECT_EQ(empty.status, 204);
  EXPECT_EQ(empty.head.find("Content-"), std::string::npos);
  EXPECT_EQ(client.ask(get("/echo")).status, 200);
}

TEST(HttpServer, KeepsConnectionsAsTheClientAsks) {
  TestServer server;
  auto old = server.client();
  EXPECT_NE(old.ask("GET /echo HTTP/1.0\r\n\r\n").head.find("Connection: close\r\n"), std::string::npos);
  old.end_sending();
  EXPECT_TRUE(old.closed_by_server());
  auto kept = server.client();
  const std::string keep = "GET /echo HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
  EXPECT_NE(kept.ask(keep).head.find("Connection: keep-alive\r\n"), std::string::npos);
  EXPECT_EQ(kept.ask(keep).status, 200);
  auto closing = server.client();
  EXPECT_NE(closing.ask(get("/echo", "Connection: close\r\n")).head.find("Connection: close"), std::string::npos);
  closing.end_sending();
  EXPECT_TRUE(closing.closed_by_server());
}

TEST(HttpServer, RefusesMalformedRequests) {
  const std::string long_value(20'000, 'v');
  const std::vector<std::pair<int, std::string>> cases = {
      {400, "\x16\x03\x01\x02"},  // TLS
      {400, "GARBAGE\r\n\r\n"},
      {400, "GET /echo\r\n\r\n"},
      {400, "GET  HTTP/1.1\r\n\r\n"},
      {400, "G\x01T / HTTP/1.1\r\n\r\n"},
      {400, "GET /echo HTTP/1.1\r\n\r\n"},  // no Host
      {400, "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {400, "GET /echo HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n"},
      {400, "GET /echo HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"},
      {400, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"},
      {400, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n"},
      {400, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"},
      {400, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {400, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"},
      {400, "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {400, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"},
      {400, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"},
      {400, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + long_value},
      {413, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000001\r\n\r\n"},
      {413, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"},
      {414, "GET /" + long_value},
      {417, "GET /echo HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n"},
      {431, "GET /echo HTTP/1.1\r\nHost: a\r\nX: " + long_value},
      {501, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
      {501, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"},
      {505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {505, "GET /echo HTTP/1.2\r\nHost: a\r\n\r\n"},
  };
  TestServer server;
  for (const auto& [status, bytes] : cases) {
    auto client = server.client();
    const auto reply = client.ask(bytes);
    EXPECT_EQ(reply.status, status) << bytes.substr(0, 100) << "\n-> " << reply.head << reply.body;
    EXPECT_NE(reply.head.find("Connection: close\r\n"), std::string::npos);
    EXPECT_FALSE(reply.body.empty());
    client.end_sending();
    EXPECT_TRUE(client.closed_by_server()) << bytes.substr(0, 100);
  }
  EXPECT_EQ(server.client().ask(get("/echo")).status, 200);
}

TEST(HttpServer, CountsTheWholeHeaderHoweverItComes) {
  TestServer server({.header_limit = 1000});
  auto client = server.client();
  client.send("GET /echo HTTP/1.1\r\nHost: a\r\n");
  for (int i = 0; i < 60; ++i) {
    client.send("X-Header-" + std::to_string(i) + ": 0123456789\r\n");
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(client.reply().status, 431);
}

TEST(HttpServer, ASlowHeaderAndASlowBodyTimeOut) {
  TestServer server({.header_timeout = milliseconds(200), .body_timeout = milliseconds(200)});
  for (const std::string& start : {std::string("GET /echo HTTP/1.1\r\nHost: a\r\n"),
                                   std::string("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")}) {
    auto client = server.client();
    client.send(start);
    RawClient::Reply reply;
    // Progress does not save it.
    for (int i = 0; i < 1000 && reply.status == 0; ++i) {
      client.send("x");
      if (client.read_more(10)) reply = client.reply();
    }
    EXPECT_EQ(reply.status, 408) << start;
    client.end_sending();
    EXPECT_TRUE(client.closed_by_server());
  }
  EXPECT_EQ(server->statistics().timed_out, 2u);
}

TEST(HttpServer, ClosesIdleConnections) {
  TestServer server({.idle_timeout = milliseconds(100)});
  auto silent = server.client();
  auto served = server.client();
  EXPECT_EQ(served.ask(get("/echo")).status, 200);
  EXPECT_TRUE(silent.closed_by_server());
  EXPECT_TRUE(served.closed_by_server());
  EXPECT_TRUE(eventually([&] { return server->statistics().connections == 0; }));
  EXPECT_EQ(server->statistics().timed_out, 2u);
}

TEST(HttpServer, AClientThatDoesNotReadTimesOut) {
  TestServer server({.write_timeout = milliseconds(200)});
  auto client = server.client();
  client.send(get("/later"));
  const auto [request, respond] = server.take();
  respond({.body = std::string(50'000'000, 'x')});
  EXPECT_TRUE(eventually([&] { return server->statistics().connections == 0; }));
  EXPECT_EQ(server->statistics().timed_out, 1u);
}

TEST(HttpServer, ASlowReaderThatMakesProgressGetsAll) {
  TestServer server({.write_timeout = milliseconds(500)});
  auto client = server.client();
  client.send(get("/later"));
  const auto [request, respond] = server.take();
  const std::size_t size = 20'000'000;
  respond({.body = std::string(size, 'x')});
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_EQ(client.reply().body.size(), size);
}

TEST(HttpServer, NoticesAClientThatLeaves) {
  TestServer server;
  for (const bool reset : {false, true}) {
    auto client = server.client();
    client.send(get("/later") + "GET /pipelined HTTP/1.1\r\n");
    const auto [request, respond] = server.take();
    EXPECT_FALSE(request->gone.stop_requested());
    reset ? client.reset() : client.close();
    const auto token = request->gone;
    EXPECT_TRUE(eventually([&] { return token.stop_requested(); }));
    EXPECT_EQ(server->statistics().requests_in_progress, 1);
    respond({.body = "to nobody"});
    EXPECT_TRUE(eventually([&] { return server->statistics().connections == 0; }));
  }
  EXPECT_EQ(server->statistics().clients_gone, 2u);
  EXPECT_EQ(server->statistics().requests_in_progress, 0);
}

TEST(HttpServer, AnswersAClientThatOnlyEndedSending) {
  TestServer server;
  auto client = server.client();
  client.send(get("/later"));
  client.end_sending();
  const auto held = server.take();
  const auto token = held.first->gone;
  EXPECT_TRUE(eventually([&] { return token.stop_requested(); }));
  held.second({.body = "even so"});
  EXPECT_EQ(client.reply().body, "even so");
  EXPECT_TRUE(client.closed_by_server());
}

TEST(HttpServer, AHandlersFailureIsAnAnswer) {
  TestServer server;
  const auto thrown = server.client().ask(get("/throw"));
  EXPECT_EQ(thrown.status, 500);
  EXPECT_EQ(thrown.body, "thrown by the handler");
  EXPECT_EQ(server.client().ask(get("/forget")).status, 500);
  auto client = server.client();
  client.send(get("/later"));
  server.take();
  EXPECT_EQ(client.reply().status, 500);
  EXPECT_EQ(server->statistics().requests_in_progress, 0);
}

TEST(HttpServer, TakesOnlyTheFirstAnswer) {
  TestServer server;
  auto client = server.client();
  client.send(get("/later"));
  const auto [request, respond] = server.take();
  respond({.body = "first"});
  respond({.body = "second"});
  EXPECT_EQ(client.reply().body, "first");
  EXPECT_EQ(client.ask(get("/echo")).body, "GET /echo? ");
}

TEST(HttpServer, FurtherConnectionsWaitUntilOneEnds) {
  TestServer server({.max_connections = 2});
  auto first = server.client();
  auto second = server.client();
  EXPECT_EQ(first.ask(get("/echo")).status, 200);
  EXPECT_EQ(second.ask(get("/echo")).status, 200);
  auto third = server.client();
  third.send(get("/echo"));
  EXPECT_FALSE(third.read_more(200));
  first.close();
  EXPECT_EQ(third.reply().status, 200);
  EXPECT_EQ(server->connection_limit(), 2);
}

TEST(HttpServer, DrainAnswersWhatWasReadAndClosesTheRest) {
  TestServer server;
  auto idle = server.client();
  EXPECT_EQ(idle.ask(get("/echo")).status, 200);
  auto working = server.client();
  working.send(get("/later"));
  const auto held = server.take();
  auto half_sent = server.client();
  half_sent.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo");
  EXPECT_TRUE(eventually([&] { return server->statistics().connections == 3; }));
  std::thread draining([&] { server->drain(milliseconds(patience_ms)); });
  EXPECT_TRUE(idle.closed_by_server());
  EXPECT_FALSE(server.client().connected());
  half_sent.send("dy");
  const auto late = half_sent.reply();
  EXPECT_EQ(late.body, "POST /echo? body");
  EXPECT_NE(late.head.find("Connection: close\r\n"), std::string::npos);
  half_sent.close();
  held.second({.body = "kept"});
  const auto reply = working.reply();
  EXPECT_EQ(reply.body, "kept");
  EXPECT_NE(reply.head.find("Connection: close\r\n"), std::string::npos);
  working.close();
  draining.join();
  EXPECT_EQ(server->statistics().connections, 0);
}

TEST(HttpServer, DrainCutsOffAtItsLimit) {
  TestServer server;
  auto client = server.client();
  client.send(get("/later"));
  const auto held = server.take();
  server->drain(milliseconds(50));
  EXPECT_TRUE(held.first->gone.stop_requested());
  EXPECT_TRUE(client.closed_by_server());
  EXPECT_EQ(server->statistics().requests_in_progress, 0);
  held.second({.body = "too late"});
}

TEST(HttpServer, AnAnswerMayComeAfterTheServerIsGone) {
  TestServer::Held held;
  {
    TestServer server;
    auto client = server.client();
    client.send(get("/later"));
    held = server.take();
  }
  held.second({.body = "too late"});
}

TEST(HttpServer, NamesAnAddressThatCannotBeListenedOn) {
  const auto message = [](HttpOptions options) {
    try {
      const HttpServer server(options, {}, {});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("listens");
  };
  TestServer server;
  EXPECT_NE(message({.hostname = "127.0.0.1", .port = server->port()}).find(std::to_string(server->port())),
            std::string::npos);
  EXPECT_NE(message({.hostname = "192.0.2.1", .port = 0}).find("192.0.2.1"), std::string::npos);
  EXPECT_NE(message({.hostname = "not a host"}).find("not a host"), std::string::npos);
}

}  // namespace
}  // namespace treble::server
