#include "ingest/firehose_source.h"

#include <gmock/gmock.h>

#include <deque>
#include <regex>

#include "ingest/batcher.h"
#include "tests/ingest/http_client.h"
#include "tests/ingest/ingest_fixture.h"
#include "tests/parsers/recorder.h"
#include "tests/parsers/samples.h"

namespace fleetmeter::ingest {
namespace {

using parsers::testing::base64;
using parsers::testing::gzip;
using testing::Answer;
using testing::Client;
using testing::eventually;
using testing::flow_line;
using testing::Folder;
using testing::MemoryLog;
using testing::World;
using Sums = MemoryLog::Sums;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::string body_of(const std::string& id, const std::vector<std::string>& records) {
  std::string body = R"({"requestId":")" + id + R"(","timestamp":1700000000000,"records":[)";
  for (const std::string& record : records) {
    if (body.back() == '}') body += ',';
    body += R"({"data":")" + base64(record) + "\"}";
  }
  return body + "]}";
}

std::unique_ptr<FirehoseSource> started_in(World& world, FirehoseOptions options = {}) {
  options.settings.name = "firehose:0";
  options.listen = "127.0.0.1:0";
  auto source = make_firehose_source(world.context(), std::move(options));
  const auto started = source->start();
  EXPECT_TRUE(started) << started.error().message;
  return source;
}

class FirehoseSourceTest : public ::testing::Test {
 protected:
  void serve(const std::string& access_key = {}, std::size_t body_bytes_max = 64u << 20,
             std::uint32_t twin_wait_ms = 60'000) {
    FirehoseOptions options;
    options.access_key = access_key;
    options.body_bytes_max = body_bytes_max;
    options.twin_wait_ms = twin_wait_ms;
    source_ = started_in(world_, std::move(options));
  }
  Answer post(const std::string& id, const std::string& body, std::string headers = {}) {
    Client client(source_->port());
    return client.post(
        body,
        headers + "X-Amz-Firehose-Request-Id: " + id +
            "\r\nX-Amz-Firehose-Source-Arn: arn:aws:firehose:us-east-1:1:deliverystream/s\r\n");
  }
  World world_;
  std::unique_ptr<FirehoseSource> source_;
};

/// Exactly the keys that the contract knows, in whatever answer.
void expect_contract(const Answer& answer, const std::string& id) {
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
  EXPECT_EQ(answer.headers.at("content-length"), std::to_string(answer.body.size()));
  EXPECT_EQ(answer.headers.count("transfer-encoding"), 0u);
  EXPECT_EQ(answer.headers.count("content-encoding"), 0u);
  const std::string error = answer.status == 200 ? "" : R"(,"errorMessage":"[^"]{1,1024}")";
  EXPECT_TRUE(std::regex_match(
      answer.body,
      std::regex(R"(\{"requestId":")" + id + R"(","timestamp":[0-9]{13})" + error + R"(\})")))
      << answer.body;
}

TEST_F(FirehoseSourceTest, Answers200ByTheContractOnceTheBatchIsInTheLog) {
  serve();
  const Answer answer = post("id-1", body_of("id-1", {flow_line(1), flow_line(2)}));
  EXPECT_EQ(answer.status, 200u);
  expect_contract(answer, "id-1");
  EXPECT_EQ(world_.log.sums(), (Sums{2, 3, 0}));
}

TEST_F(FirehoseSourceTest, TakesMetricStreams) {
  serve();
  const std::string frames = parsers::testing::from_base64(parsers::testing::kOtlp07Base64);
  const std::string json = std::string(parsers::testing::kMetricJson) + "\n";
  EXPECT_EQ(post("id", body_of("id", {frames, json})).status, 200u);
  EXPECT_EQ(world_.log.sums().datapoints, 2u);
}

TEST_F(FirehoseSourceTest, EveryRefusalIsByTheContractToo) {
  serve("secret", 10'000);
  const std::string key = "X-Amz-Firehose-Access-Key: secret\r\n";
  const auto refused = [&](unsigned status, const std::string& body, const std::string& headers) {
    SCOPED_TRACE(body.substr(0, 60));
    const Answer answer = post("id-1", body, headers);
    EXPECT_EQ(answer.status, status);
    expect_contract(answer, "id-1");
  };
  const std::string good = body_of("id-1", {flow_line(1)});
  refused(401, good, "");
  refused(401, good, "X-Amz-Firehose-Access-Key: secret2\r\n");
  refused(401, good, "X-Amz-Firehose-Access-Key: secre\r\n");
  refused(415, good, key + "Content-Encoding: br\r\n");
  refused(400, "not json", key);
  refused(400, R"({"requestId":"id-1","timestamp":1})", key);
  refused(400, R"({"timestamp":1,"records":[]})", key);
  refused(400, good, key + "Content-Encoding: gzip\r\n");
  refused(413, std::string(10'001, ' '), key);
  refused(413, gzip(std::string(5'000'000, ' ')), key + "Content-Encoding: gzip\r\n");
  EXPECT_EQ(world_.log.sums(), Sums{});
  EXPECT_EQ(world_.counters.requests_refused, 10u);
  EXPECT_EQ(post("id-1", good, key).status, 200u);
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
}

TEST_F(FirehoseSourceTest, WhoHasNoKeySendsNoBody) {
  serve("secret");
  Client client(source_->port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n");
  EXPECT_EQ(client.receive().status, 401u);
}

TEST_F(FirehoseSourceTest, GetIsAHealthCheckOnAnyPathAndNeedsNoKey) {
  serve("secret");
  Client client(source_->port());
  client.send("GET /anything?x HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200u);
  client.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  const Answer refused = client.receive();
  EXPECT_EQ(refused.status, 405u);
  EXPECT_EQ(refused.headers.at("allow"), "GET, HEAD, POST");
}

TEST_F(FirehoseSourceTest, TheRequestIdComesBackAsTheSameString) {
  serve();
  for (const char* id : {R"(q\u00e9)", "q\xc3\xa9"}) {
    EXPECT_THAT(post("id", body_of(id, {flow_line(1)})).body,
                ::testing::StartsWith("{\"requestId\":\"q\xc3\xa9\","))
        << id;
  }
  EXPECT_THAT(post("id", body_of(R"(\ud83d\ude00\n\"\\)", {flow_line(1)})).body,
              ::testing::StartsWith("{\"requestId\":\"\xf0\x9f\x98\x80\\u000a\\\"\\\\\","));
  // Of a header, where no body says another, and where any byte may be.
  EXPECT_THAT(post("q\xc3\xa9", "no json").body, HasSubstr("\"q\xc3\xa9\""));
  EXPECT_THAT(post("q\xe9", "no json").body, HasSubstr(R"("q\u00e9")"));
}

TEST_F(FirehoseSourceTest, TakesGzip) {
  serve();
  const std::string body = body_of("id", {flow_line(1)});
  EXPECT_EQ(post("id", gzip(body), "Content-Encoding: gzip\r\n").status, 200u);
  EXPECT_EQ(post("id", gzip(body), "Content-Encoding: GZIP\r\n").status, 200u);
  EXPECT_EQ(post("id", body, "Content-Encoding: identity\r\n").status, 200u);
  EXPECT_EQ(post("id2", gzip("x").substr(0, 10), "Content-Encoding: gzip\r\n").status, 400u);
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
}

TEST_F(FirehoseSourceTest, ABadRecordInAGoodBatchIsCountedAndTheBatchTaken) {
  serve();
  const std::string body =
      R"({"requestId":"id","timestamp":1,"unknown":[{}],"records":[{"data":"*"},{"data":""},{"data":")" +
      base64(flow_line(1) + "garbage line\n" + flow_line(2)) + R"("},{"other":1}]})";
  EXPECT_EQ(post("id", body).status, 200u);
  EXPECT_EQ(world_.log.sums(), (Sums{2, 3, 0}));
  EXPECT_EQ(world_.dropped("bad_base64"), 2u);
  EXPECT_EQ(world_.decoded().flows.malformed(), 1u);
}

TEST_F(FirehoseSourceTest, AHeaderHoldsForItsRequestAlone) {
  serve();
  const std::string swapped =
      "version account-id interface-id srcaddr dstaddr srcport dstport protocol bytes packets "
      "start "
      "end action log-status\n";
  // One after the other, so that the same worker reads them.
  EXPECT_EQ(post("a", body_of("a", {swapped, swapped})).status, 200u);
  EXPECT_EQ(post("b", body_of("b", {flow_line(3)})).status, 200u);
  EXPECT_EQ(world_.log.sums(), (Sums{1, 3, 0}));
  EXPECT_EQ(post("c", body_of("c", {swapped, flow_line(3)})).status, 200u);
  EXPECT_EQ(world_.log.sums(), (Sums{2, 23, 0})) << "In its request it holds: 20 bytes.";
}

TEST_F(FirehoseSourceTest, TakesTenThousandRecordsAndNoMore) {
  serve();
  EXPECT_EQ(post("a", body_of("a", std::vector<std::string>(10'000, flow_line(1)))).status, 200u);
  EXPECT_EQ(world_.log.sums(), (Sums{10'000, 10'000, 0}));
  EXPECT_EQ(post("b", body_of("b", std::vector<std::string>(10'001, "x"))).status, 400u);
}

TEST_F(FirehoseSourceTest, ARepeatIsAnswered200AndNotCounted) {
  serve();
  for (int i = 0; i < 3; ++i) expect_contract(post("id", body_of("id", {flow_line(1)})), "id");
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
  EXPECT_EQ(world_.counters.requests_repeated, 2u);
  // The same id of another stream is another request.
  Client other(source_->port());
  EXPECT_EQ(
      other.post(body_of("id", {flow_line(4)}), "X-Amz-Firehose-Source-Arn: arn:other\r\n").status,
      200u);
  EXPECT_EQ(world_.log.sums(), (Sums{2, 5, 0}));
}

TEST_F(FirehoseSourceTest, ATwinInFlightWaitsForTheOutcomeOfTheFirst) {
  std::atomic<bool> entered{false}, release{false};
  world_.log.on_append = [&](const aggregator::Commit& commit) {
    if (commit.once_keys.empty()) return;  // Progress.
    entered = true;
    while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  serve();
  std::deque<std::jthread> twins;
  std::atomic<int> answered{0};
  for (int i = 0; i < 3; ++i) {
    twins.emplace_back([&] {
      EXPECT_EQ(post("id", body_of("id", {flow_line(1)})).status, 200u);
      ++answered;
    });
  }
  ASSERT_TRUE(eventually([&] { return entered.load(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(answered, 0);
  release = true;
  twins.clear();
  source_->stop();
  EXPECT_EQ(answered, 3);
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
  EXPECT_EQ(world_.counters.requests_repeated, 2u);
}

std::string subscription(const std::vector<std::string>& event_ids) {
  return gzip(testing::log_events(event_ids));
}

TEST_F(FirehoseSourceTest, LogEventsInFlightInAnotherRequestWaitForItsOutcome) {
  const std::string a(56, '1'), b(56, '2'), c(56, '3');
  for (const bool first_fails : {false, true}) {
    SCOPED_TRACE(first_fails);
    World world;
    std::atomic<int> entered{0};
    std::atomic<bool> release{false};
    world.log.on_append = [&](const aggregator::Commit& commit) {
      if (commit.once_keys.empty()) return;  // Progress.
      if (entered++ > 0) return;
      while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    const auto source = started_in(world);
    const auto send = [&](const std::string& id, const std::vector<std::string>& events) {
      Client client(source->port());
      return client.post(body_of(id, {subscription(events)})).status;
    };
    std::atomic<unsigned> first_status{0}, second_status{0};
    std::jthread first([&] { first_status = send("one", {a, b}); });
    ASSERT_TRUE(eventually([&] { return entered == 1; }));
    std::jthread second([&] { second_status = send("two", {b, c}); });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(second_status, 0u) << "it cannot know yet whether b is new";
    if (first_fails) world.log.refuse(Error{ErrorCode::kUnavailable, "disk full"});
    release = true;
    if (first_fails) {
      // The second may meet the full disk too; senders try again.
      ASSERT_TRUE(eventually([&] { return first_status != 0; }));
      EXPECT_EQ(first_status, 503u);
      world.log.refuse(std::nullopt);
      EXPECT_EQ(send("one", {a, b}), 200u);
    }
    second.join();
    if (second_status != 200) second_status = send("two", {b, c});
    EXPECT_EQ(second_status, 200u);
    source->stop();
    EXPECT_EQ(world.log.sums(), (Sums{3, 3, 0}));
    EXPECT_EQ(world.decoded().duplicate_events, 1u);
    EXPECT_EQ(world.decoded().flows.ok, 3u);
  }
}

TEST_F(FirehoseSourceTest, RequestsThatShareLogEventsInAnyOrderCountEachOnceAndNeverWaitForEver) {
  serve();
  std::deque<std::jthread> senders;
  for (int i = 0; i < 4; ++i) {
    senders.emplace_back([&, i] {
      for (int n = 0; n < 15; ++n) {
        std::vector<std::string> events;
        for (int e = 0; e < 6; ++e) {
          const int event = n * 4 + (i % 2 == 0 ? e : 5 - e);
          events.push_back(std::string(50, '0') + std::to_string(100'000 + event));
        }
        const std::string id = std::to_string(i) + "-" + std::to_string(n);
        EXPECT_EQ(post(id, body_of(id, {subscription(events)})).status, 200u);
      }
    });
  }
  senders.clear();
  source_->stop();
  EXPECT_EQ(world_.log.sums(), (Sums{62, 62, 0}));
}

/// Another source that has read log events and not committed them yet.
struct OtherSource {
  explicit OtherSource(World& world) : context(world.context()) {}
  void read(const std::vector<std::string>& event_ids) {
    decoder.message(testing::log_events(event_ids));
    batcher.count(decoder, 0);
  }
  SourceContext context;
  SourceSettings settings;
  Batcher batcher{context, settings, "files:0"};
  parsers::Decoder decoder{batcher.decoder_options(), batcher.sink()};
};

TEST_F(FirehoseSourceTest, LogEventsThatAnotherSourceIsAboutToCommitAreWaitedForAndCountOnce) {
  for (const bool other_fails : {false, true}) {
    SCOPED_TRACE(other_fails);
    World world;
    FirehoseOptions options;
    options.twin_wait_ms = 60'000;
    const auto source = started_in(world, std::move(options));
    OtherSource other(world);
    other.read({"a", "b"});
    std::atomic<unsigned> status{0};
    std::jthread sender([&] {
      Client client(source->port());
      status = client.post(body_of("id", {subscription({"b", "c"})})).status;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(status, 0u) << "it cannot know yet whether b is new";
    if (other_fails) {
      other.batcher.discard();
    } else {
      EXPECT_TRUE(other.batcher.try_commit({}, {}));
    }
    sender.join();
    EXPECT_EQ(status, 200u);
    if (other_fails) {
      other.read({"a", "b"});
      EXPECT_TRUE(other.batcher.try_commit({}, {}));
    }
    source->stop();
    EXPECT_EQ(world.log.sums(), (Sums{3, 3, 0}));
    EXPECT_EQ(world.decoded().duplicate_events, 1u);
  }
}

TEST_F(FirehoseSourceTest, WhoseLogEventsAreNotCommittedInTimeIs503AndHoldsNothing) {
  serve({}, 64u << 20, 50);
  OtherSource other(world_);
  other.read({"a"});
  const std::string body = body_of("id", {subscription({"a", "b"})});
  for (int i = 0; i < 2; ++i) {
    const Answer answer = post("id", body);
    EXPECT_EQ(answer.status, 503u);
    expect_contract(answer, "id");
    EXPECT_THAT(answer.body, HasSubstr("another source is about to commit"));
  }
  EXPECT_EQ(source_->blocked(), "") << "Others are served.";
  EXPECT_EQ(post("id2", body_of("id2", {subscription({"c"})})).status, 200u);
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
  other.read({"b"});
  EXPECT_TRUE(other.batcher.try_commit({}, {}));
  EXPECT_EQ(post("id", body).status, 200u);
  EXPECT_EQ(world_.log.sums(), (Sums{3, 3, 0}));
  EXPECT_EQ(world_.decoded().duplicate_events, 2u);
}

TEST_F(FirehoseSourceTest, AnotherSourceWaitsForTheOutcomeOfARequestWithItsLogEvents) {
  for (const bool request_fails : {false, true}) {
    SCOPED_TRACE(request_fails);
    World world;
    std::atomic<bool> entered{false}, release{false};
    world.log.on_append = [&](const aggregator::Commit& commit) {
      if (commit.once_keys.empty() || entered.exchange(true))
        return;  // Progress; the other source.
      while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    const auto source = started_in(world);
    std::jthread sender([&] {
      Client client(source->port());
      EXPECT_EQ(client.post(body_of("id", {subscription({"a", "b"})})).status,
                request_fails ? 503u : 200u);
    });
    ASSERT_TRUE(eventually([&] { return entered.load(); }));
    OtherSource other(world);
    std::atomic<bool> has_read{false};
    std::jthread reader([&] {
      other.read({"b", "c"});
      has_read = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_FALSE(has_read) << "it cannot know yet whether b is new";
    if (request_fails) world.log.refuse(Error{ErrorCode::kUnavailable, "disk full"});
    release = true;
    sender.join();
    reader.join();
    world.log.refuse(std::nullopt);
    EXPECT_TRUE(other.batcher.try_commit({}, {}));
    source->stop();
    EXPECT_EQ(world.log.sums(), request_fails ? (Sums{2, 2, 0}) : (Sums{3, 3, 0}));
  }
}

TEST_F(FirehoseSourceTest, ALogThatCannotCommitIs503UntilItCan) {
  serve();
  world_.log.refuse(Error{ErrorCode::kUnavailable, "disk full"});
  const std::string body = body_of("id", {flow_line(1) + "garbage\n"});
  for (int i = 0; i < 3; ++i) {
    const Answer answer = post("id", body);
    EXPECT_EQ(answer.status, 503u);
    expect_contract(answer, "id");
    EXPECT_THAT(answer.body, HasSubstr("disk full"));
  }
  EXPECT_THAT(source_->blocked(), HasSubstr("disk full"));
  world_.log.refuse(std::nullopt);
  // By itself, before any sender tries again.
  EXPECT_TRUE(eventually([&] { return source_->blocked().empty(); }));
  EXPECT_EQ(post("id", body).status, 200u);
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
  EXPECT_EQ(world_.decoded().flows.malformed(), 1u);
  EXPECT_EQ(world_.decoded().flows.ok, 1u);
}

TEST_F(FirehoseSourceTest, AKeyThatCannotBeLookedUpIs503) {
  serve();
  world_.log.refuse_reads(Error{ErrorCode::kUnavailable, "cannot read"});
  EXPECT_EQ(post("id", body_of("id", {flow_line(1)})).status, 503u);
  EXPECT_EQ(world_.log.sums(), Sums{});
}

TEST_F(FirehoseSourceTest, WritesProgressWhileNobodySends) {
  serve();
  EXPECT_TRUE(eventually([&] { return world_.log.progress().size() >= 2; }));
  const auto told = world_.log.progress();
  EXPECT_TRUE(told[0].started());
  EXPECT_TRUE(told[0].push());
  EXPECT_FALSE(told[0].caught_up());
  EXPECT_FALSE(told[1].started());
}

TEST_F(FirehoseSourceTest, ManySendersAtATimeCountOnceEach) {
  serve();
  std::deque<std::jthread> senders;
  for (int i = 0; i < 6; ++i) {
    senders.emplace_back([&, i] {
      for (int n = 0; n < 20; ++n) {
        const std::string id = std::to_string((i % 3) * 100 + n);  // Each by two senders.
        EXPECT_EQ(post(id, body_of(id, {flow_line(1)})).status, 200u);
      }
    });
  }
  senders.clear();
  source_->stop();
  EXPECT_EQ(world_.log.sums(), (Sums{60, 60, 0}));
  EXPECT_EQ(world_.counters.requests_repeated, 60u);
}

TEST_F(FirehoseSourceTest, StopsWhileTheDiskIsFullAndSendersWait) {
  serve();
  world_.log.refuse(Error{ErrorCode::kUnavailable, "disk full"});
  Client idle(source_->port());
  EXPECT_EQ(post("id", body_of("id", {flow_line(1)})).status, 503u);
  const auto before = std::chrono::steady_clock::now();
  source_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(4));
  EXPECT_FALSE(source_->failure());
}

}  // namespace
}  // namespace fleetmeter::ingest
