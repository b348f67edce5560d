#include "ingest/http_server.h"

#include <gmock/gmock.h>

#include <atomic>
#include <deque>
#include <thread>

#include "ingest/descriptor_share.h"
#include "tests/ingest/http_client.h"
#include "tests/ingest/ingest_fixture.h"

namespace fleetmeter::ingest {
namespace {

using testing::Answer;
using testing::Client;
using testing::eventually;
using testing::Folder;

class HttpServerTest : public ::testing::Test {
 protected:
  void serve(HttpServerOptions options = {}, HttpServer::Handler handler = {}) {
    if (!handler) {
      handler = [](HttpRequest& request) {
        return HttpResponse{
            200, "text/plain", request.method + " " + request.path + " " + request.body, {}};
      };
    }
    server_ = std::make_unique<HttpServer>(std::move(options), std::move(handler));
    const auto started = server_->start();
    ASSERT_TRUE(started) << started.error().message;
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  std::chrono::milliseconds stop_time() {
    const auto before = std::chrono::steady_clock::now();
    server_->stop();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 before);
  }
  std::unique_ptr<HttpServer> server_;
};

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(HttpServerTest, KeepsAConnectionOverManyRequests) {
  serve();
  Client client(port());
  for (int i = 0; i < 50; ++i) {
    const Answer answer = client.post("body" + std::to_string(i));
    ASSERT_EQ(answer.status, 200u);
    EXPECT_EQ(answer.body, "POST / body" + std::to_string(i));
    EXPECT_EQ(answer.headers.at("content-length"), std::to_string(answer.body.size()));
  }
  client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200u);
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, DecodesPathAndQuery) {
  std::map<std::string, std::string> query;
  std::string path;
  serve({}, [&](HttpRequest& request) {
    query = request.query;
    path = request.path;
    return HttpResponse{};
  });
  Client client(port());
  ASSERT_EQ(client.post("", {}, "/a+b%20c?x=1%262&y=a+b&z").status, 200u);
  EXPECT_EQ(path, "/a+b c");
  EXPECT_THAT(query, ::testing::ElementsAre(std::pair("x", "1&2"), std::pair("y", "a b"),
                                            std::pair("z", "")));
}

TEST_F(HttpServerTest, TakesTargetsInAbsoluteForm) {
  serve();
  for (const auto& [target, path] :
       {std::pair("http://x/a", "/a"), std::pair("HTTPS://x:1/a?b", "/a"),
        std::pair("http://x", "/"), std::pair("http://x?b=/", "/"),
        std::pair("/a://b", "/a://b")}) {
    Client client(port());
    client.send("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(client.receive().body, "GET " + std::string(path) + " ") << target;
  }
}

TEST_F(HttpServerTest, HeadHasTheLengthButNoBody) {
  serve();
  Client client(port());
  client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
  const Answer answer = client.receive(true);
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.headers.at("content-length"), std::to_string(std::string("HEAD /a ").size()));
  client.send(kGet);
  EXPECT_EQ(client.receive().body, "GET /a ");
}

TEST_F(HttpServerTest, TakesChunkedBodiesUpToTheLimit) {
  serve({.body_bytes_max = 10});
  Client client(port());
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  client.send(head + "4\r\nabcd\r\n6\r\nefghij\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().body, "POST / abcdefghij");
  client.send(head + "4\r\nabcd\r\n7\r\nefghijk\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().status, 413u);
}

TEST_F(HttpServerTest, ABodyOverTheLimitIs413BeforeItIsRead) {
  serve({.body_bytes_max = 1000});
  Client client(port());
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n"));
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 413u);
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(Client(port()).post(std::string(1000, 'x')).status, 200u);
  // One that sends on all the same still gets to read why.
  Client stubborn(port());
  EXPECT_EQ(stubborn.post(std::string(3'000'000, 'x')).status, 413u);
}

TEST_F(HttpServerTest, AHeaderOverTheLimitIs431AndNoRequestIs400) {
  serve();
  Client large(port());
  large.send("GET / HTTP/1.1\r\nHost: x\r\nLarge: " + std::string(200'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(large.receive().status, 431u);
  for (const std::string& field :
       {"Large: " + std::string(70'000, 'x'), std::string(70'000, 'x') + ": small"}) {
    Client one(port());
    one.send("GET / HTTP/1.1\r\nHost: x\r\n" + field + "\r\n\r\n");
    EXPECT_EQ(one.receive().status, 431u);
    Client trailing(port());
    trailing.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + field +
                  "\r\n\r\n");
    EXPECT_EQ(trailing.receive().status, 431u);
  }
  Client other(port());
  other.send("this is not HTTP at all\r\n\r\n");
  EXPECT_EQ(other.receive().status, 400u);
}

TEST_F(HttpServerTest, SaysContinueOnlyToARequestThatItTakes) {
  serve({.body_bytes_max = 10, .admit = [](const HttpRequest& head) -> std::optional<HttpResponse> {
           if (head.header("key") == "right") return std::nullopt;
           return HttpResponse{401, "text/plain", "no", {}};
         }});
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ";
  Client good(port());
  good.send(head + "2\r\nKey: right\r\n\r\n");
  EXPECT_EQ(good.receive().status, 100u);
  good.send("ab");
  EXPECT_EQ(good.receive().body, "POST / ab");
  Client unknown(port());
  unknown.send(head + "2\r\n\r\n");
  EXPECT_EQ(unknown.receive().status, 401u);
  Client large(port());
  large.send(head + "11\r\nKey: right\r\n\r\n");
  EXPECT_EQ(large.receive().status, 413u);
}

TEST_F(HttpServerTest, BodiesInFlightHaveACommonLimit) {
  serve({.body_bytes_max = 100, .bodies_bytes_max = 150});
  Client first(port());
  first.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(Client(port()).post(std::string(51, 'x')).status, 503u);
  EXPECT_EQ(Client(port()).post(std::string(50, 'x')).status, 200u);
  first.send(std::string(97, 'x'));
  EXPECT_EQ(first.receive().status, 200u);
  EXPECT_EQ(Client(port()).post(std::string(100, 'x')).status, 200u);
}

TEST_F(HttpServerTest, ASlowSenderIsCutOff) {
  serve({.read_timeout_ms = 200});
  Client header(port()), body(port());
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
  const auto before = std::chrono::steady_clock::now();
  std::string drip = "GET / HTTP/1.1\r\nX: ";
  while (std::chrono::steady_clock::now() - before < std::chrono::milliseconds(500)) {
    header.send(drip);  // A byte now and then does not keep it open.
    body.send("x");
    drip = "x";
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(header.closed());
  EXPECT_TRUE(body.closed());
  EXPECT_EQ(Client(port()).post("x").status, 200u);
}

TEST_F(HttpServerTest, ASlowReaderIsCutOff) {
  serve({.read_timeout_ms = 200, .threads = 1, .connections_max = 1}, [&](HttpRequest& request) {
    const std::size_t bytes = request.method == "GET" ? 64u << 20 : 1;
    return HttpResponse{200, "text/plain", std::string(bytes, 'x'), {}};
  });
  Client slow(port());
  slow.set_receive_buffer(4096);
  slow.send(kGet);
  // The only place is free again once it is.
  EXPECT_TRUE(eventually([&] { return Client(port()).post("x").status == 200; }));
}

TEST_F(HttpServerTest, AnExceptionInTheHandlerIs500) {
  serve({}, [](HttpRequest&) -> HttpResponse { throw std::runtime_error("broken"); });
  Client client(port());
  EXPECT_EQ(client.post("x").status, 500u);
}

TEST_F(HttpServerTest, ConnectionsBeyondTheLimitAreClosedAtOnce) {
  serve({.connections_max = 2});
  Client a(port()), b(port());
  ASSERT_EQ(a.post("x").status, 200u);
  ASSERT_EQ(b.post("x").status, 200u);
  Client c(port());
  EXPECT_TRUE(c.closed());
}

TEST_F(HttpServerTest, AtTheLimitWhoHasBeenSilentLongestMakesRoom) {
  std::atomic<bool> entered{false}, release{false};
  serve({.connections_max = 3}, [&](HttpRequest& request) {
    if (request.path == "/slow") {
      entered = true;
      while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return HttpResponse{200, "text/plain", "done", {}};
  });
  Client handled(port()), body(port()), silent(port());
  handled.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab");
  ASSERT_TRUE(eventually([&] { return entered.load(); }));
  EXPECT_TRUE(eventually([&] { return Client(port()).post("x").status == 200; }));
  EXPECT_TRUE(silent.closed());
  release = true;
  EXPECT_EQ(handled.receive().body, "done");
  body.send("c");
  EXPECT_EQ(body.receive().body, "done");
}

TEST_F(HttpServerTest, WithoutDescriptorsItDoesNotStartAndSaysWhy) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "UBSan itself opens a pipe where it looks at an object's type";
#endif
  HttpServer server({}, [](HttpRequest&) { return HttpResponse{}; });
  const testing::DescriptorLimit none(0);
  const auto started = server.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(started.error().message, ::testing::HasSubstr("Too many open files"));
  server.stop();
}

TEST(DescriptorShare, LeavesAQuarterOfTheLimitToStoresAndDelivery) {
  using Kind = DescriptorShare::Kind;
  const testing::DescriptorLimit limit(1024);
  const DescriptorShare api(Kind::kConnections), files(Kind::kFiles);
  EXPECT_EQ(api.count(), 512u);
  EXPECT_EQ(files.count(), 256u);
  {
    const DescriptorShare firehose(Kind::kConnections), more(Kind::kFiles);
    EXPECT_EQ(api.count(), 256u);
    EXPECT_EQ(more.count(), 128u);
  }
  raise_descriptor_limit();
  EXPECT_GT(api.count(), 512u);
}

TEST_F(HttpServerTest, StopClosesIdleAndHalfSentAndLetsTheHandledEnd) {
  std::atomic<bool> entered{false}, release{false};
  serve({}, [&](HttpRequest& request) {
    if (request.path == "/slow") {
      entered = true;
      while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return HttpResponse{200, "text/plain", "done", {}};
  });
  Client idle(port()), half(port()), handled(port()), silent(port());
  ASSERT_EQ(idle.post("x").status, 200u);
  half.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  handled.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return entered.load(); }));
  std::jthread releases([&] {
    EXPECT_TRUE(idle.closed());
    EXPECT_TRUE(half.closed());
    EXPECT_TRUE(silent.closed());
    release = true;
  });
  EXPECT_LT(stop_time(), std::chrono::seconds(4));
  EXPECT_EQ(handled.receive().body, "done");
  EXPECT_TRUE(handled.closed());
  EXPECT_FALSE(Client(port()).connected());
  server_->stop();  // Again, and nothing happens.
}

TEST_F(HttpServerTest, StopDoesNotWaitLongForASlowReader) {
  std::atomic<bool> handled{false};
  serve({}, [&](HttpRequest&) {
    handled = true;
    return HttpResponse{200, "text/plain", std::string(64u << 20, 'x'), {}};
  });
  Client slow(port());
  slow.set_receive_buffer(4096);
  slow.send(kGet);
  ASSERT_TRUE(eventually([&] { return handled.load(); }));
  EXPECT_LT(stop_time(), std::chrono::seconds(8));
}

TEST_F(HttpServerTest, ManyClientsAtATimeAndAStopAmongThem) {
  serve({.threads = 4});
  std::atomic<int> answered{0}, wrong{0};
  std::deque<std::jthread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&, i, at = port()] {
      for (;;) {
        Client client(at);
        if (!client.connected()) return;
        for (int n = 0; n < 20; ++n) {
          const std::string body = std::to_string(i) + "-" + std::to_string(n);
          const Answer answer = client.post(body);
          if (answer.status == 0) return;
          ++answered;
          if (answer.body != "POST / " + body) ++wrong;
        }
      }
    });
  }
  EXPECT_TRUE(eventually([&] { return answered > 500; }));
  server_->stop();
  clients.clear();
  EXPECT_EQ(wrong, 0);
}

TEST_F(HttpServerTest, SpeaksTls) {
  const Folder folder;
  const auto made = testing::make_certificate();
  HttpServerOptions options;
  options.tls_cert = folder.write("tls.crt", made.certificate);
  options.tls_key = folder.write("tls.key", made.key);
  options.body_bytes_max = 1u << 20;
  serve(options);
  {
    Client client(port(), true);
    ASSERT_TRUE(client.connected());
    for (int i = 0; i < 3; ++i) EXPECT_EQ(client.post(std::string(500'000, 'x')).status, 200u);
    EXPECT_EQ(client.post(std::string((1u << 20) + 1, 'x')).status, 413u);
  }
  Client plain(port());  // Whoever speaks no TLS gets no answer, and no thread.
  plain.send(kGet);
  EXPECT_NE(plain.receive().status, 200u);
  Client silent(port()), idle(port(), true);
  EXPECT_LT(stop_time(), std::chrono::seconds(4));
}

TEST_F(HttpServerTest, RefusesTlsFilesThatDoNotFit) {
  const Folder folder;
  const auto one = testing::make_certificate(), other = testing::make_certificate();
  const std::string cert = folder.write("a.crt", one.certificate),
                    wrong = folder.write("b.key", other.key);
  const auto code = [](HttpServerOptions options) {
    HttpServer server(std::move(options), [](HttpRequest&) { return HttpResponse{}; });
    const auto started = server.start();
    EXPECT_FALSE(started);
    return started ? ErrorCode::kInternal : started.error().code;
  };
  EXPECT_EQ(code({.tls_cert = cert, .tls_key = wrong}), ErrorCode::kInvalidArgument);
  const auto message = [](const std::string& certificate, const std::string& key) {
    HttpServer server({.tls_cert = certificate, .tls_key = key},
                      [](HttpRequest&) { return HttpResponse{}; });
    return server.start().error().message;
  };
  EXPECT_EQ(message("/nope", wrong), "tls.cert: /nope: No such file or directory");
  EXPECT_EQ(message(wrong, wrong), "tls.cert: " + wrong + ": is no PEM certificate");
  EXPECT_EQ(message(cert, "/nope"), "tls.key: /nope: No such file or directory");
  EXPECT_EQ(message(cert, wrong),
            "tls.key: " + wrong + ": is no PEM key, or not that of the certificate");
  EXPECT_EQ(code({.tls_cert = cert}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.tls_key = wrong}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.tls_cert = folder.path("none"), .tls_key = wrong}), ErrorCode::kInvalidArgument);
  for (const char* bad : {"127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:99999", "127.0.0.1:http"})
    EXPECT_EQ(code({.listen = bad}), ErrorCode::kInvalidArgument) << bad;
  serve();
  EXPECT_EQ(code({.listen = "127.0.0.1:" + std::to_string(port())}), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace fleetmeter::ingest
