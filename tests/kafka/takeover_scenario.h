#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/sqlite_log.h"
#include "proto/kafka.pb.h"
#include "tests/kafka/child_process.h"
#include "tests/kafka/kafka_fixture.h"
#include "tests/kafka/stepped_clock.h"
#include "tests/kafka/takeover_telemetry.h"
#include "tests/kafka/webhook_receiver.h"

namespace fleetmeter::ingest {

/// Two `ingest` and two `evaluate` processes over Kafka, and one `run`, all reading the same topics
/// on one test clock (docs/time.md 9). Nothing happens to `run`. Of the workers:
/// - half way, with an outbox that nobody takes, one of each kind dies inside a transaction, and a
///   fresh `evaluate` with an empty disk begins;
/// - at three quarters, just after a new `ingest` has joined, the other two are killed where they
///   are.
class TakeoverScenario {
 public:
  TakeoverScenario();
  ~TakeoverScenario();

  /// Everything, to the end of all processes.
  void play();

  // What is left behind, after play().
  struct Sent {
    TakeoverTelemetry::Message message;
    std::int64_t appended_ms;  ///< To the topic, by the broker's clock.
  };
  [[nodiscard]] const std::vector<Sent>& sent() const { return sent_; }
  [[nodiscard]] const TakeoverTelemetry& telemetry() const { return *telemetry_; }
  [[nodiscard]] std::vector<proto::LogRecord> log_records(int partition);
  [[nodiscard]] static std::string source_name(const Sent& sent, const std::string& prefix);
  [[nodiscard]] std::string prefix() const { return prefix_; }
  [[nodiscard]] const SteppedClock& clock() const { return *clock_; }
  [[nodiscard]] std::int64_t start_s() const { return start_s_; }
  [[nodiscard]] std::int64_t end_s() const { return start_s_ + TakeoverTelemetry::kMinutes * 60; }
  /// Grid time and real time of the first deaths.
  [[nodiscard]] std::int64_t killed_s() const { return killed_s_; }
  [[nodiscard]] std::int64_t killed_ms() const { return killed_ms_; }

  [[nodiscard]] std::vector<proto::Event> events_of_workers();
  [[nodiscard]] std::vector<proto::Event> events_of_run();
  struct Outbox {
    proto::OutboxRecord record;
    std::int64_t at_ms;  ///< Real time.
  };
  [[nodiscard]] std::vector<Outbox> outbox();
  [[nodiscard]] const WebhookReceiver& receiver() const { return receiver_; }
  /// Rows of cost.db that this telemetry makes, of a process by name.
  [[nodiscard]] std::vector<std::string> usage_rows(const std::string& name) const;
  /// What `cost report` prints.
  [[nodiscard]] std::string bill(const std::string& name) const;
  /// Ends of all processes' logs, for failures.
  [[nodiscard]] std::string logs() const;

 private:
  [[nodiscard]] std::string path(const std::string& name) const;
  [[nodiscard]] std::string configuration(const std::string& side) const;
  std::unique_ptr<ChildProcess> worker(const std::string& command, const std::string& name,
                                       bool dies = false);
  [[nodiscard]] std::int64_t committed();
  [[nodiscard]] bool everybody_listens();
  [[nodiscard]] bool everything_is_delivered();
  void feed();
  void send(int minute);
  void first_deaths();
  void end();
  void note_arrivals();

  TestFolder folder_;
  std::string prefix_;
  TestCluster cluster_;
  WebhookReceiver receiver_;
  std::unique_ptr<SteppedClock> clock_;
  std::int64_t start_s_ = 0;
  std::unique_ptr<TakeoverTelemetry> telemetry_;
  std::unique_ptr<ChildProcess> run_, ingest_a_, ingest_b_, ingest_c_, evaluate_a_, evaluate_b_,
      evaluate_c_;
  std::vector<Sent> sent_;
  std::int64_t killed_s_ = 0, killed_ms_ = 0;
};

}  // namespace fleetmeter::ingest
