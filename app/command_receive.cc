#include <atomic>
#include <chrono>
#include <iostream>
#include <limits>
#include <thread>

#include "app/command.h"
#include "app/config.h"
#include "app/receive.h"
#include "app/test_clock.h"
#include "app/yaml_reader.h"

namespace fleetmeter::app {

namespace {

namespace po = boost::program_options;

constexpr std::uint32_t kAnyMax = std::numeric_limits<std::uint32_t>::max();

struct Given {
  std::string listen = "127.0.0.1:0", secret_env, secret_file;
  std::int64_t fail_first = 0, fail_status = 503, retry_after_s = 0;
  bool no_verify = false;
};

Command make_command(Given& given, ReceiveOptions& options) {
  Command command(
      "fleetmeter receive [OPTION]...",
      "A small local webhook receiver for demos and tests: checks Standard Webhooks signatures "
      "and\n"
      "that every delivery comes once. Ends by SIGTERM, Ctrl-C, or when all of --expect arrived,\n"
      "and prints what it got as JSON. Exit code 1: an id is missing, or came with two bodies.",
      {"HOOK_SECRET=whsec_... fleetmeter receive --listen 127.0.0.1:9000 --secret-env HOOK_SECRET",
       "fleetmeter receive --secret-env HOOK_SECRET --out got.jsonl --expect events.jsonl",
       "fleetmeter receive --no-verify --fail-first 3 --fail-status 429 --retry-after 1"});
  command.options().add_options()("listen", po::value(&given.listen)->default_value(given.listen),
                                  "host:port; port 0 takes a free one and prints it")(
      "secret-env", po::value(&given.secret_env)->value_name("NAME"),
      "environment variable that holds the signing secret")(
      "secret-file", po::value(&given.secret_file)->value_name("FILE"),
      "file whose first line is the signing secret")("no-verify", po::bool_switch(&given.no_verify),
                                                     "accept unsigned posts")(
      "tolerance", po::value(&options.tolerance_s)->default_value(options.tolerance_s),
      "seconds that webhook-timestamp may be off; 0 = any time")(
      "out", po::value(&options.out_path)->value_name("FILE"),
      "accepted deliveries, one JSON object a line, appended")(
      "expect", po::value(&options.expect_path)->value_name("FILE"),
      "ids that must arrive, one a line, or an event log")(
      "fail-first", po::value(&given.fail_first)->default_value(0)->value_name("N"),
      "refuse the first N requests")(
      "fail-status", po::value(&given.fail_status)->default_value(given.fail_status),
      "status of these refusals, 200 to 599")(
      "retry-after", po::value(&given.retry_after_s)->value_name("SECONDS"),
      "Retry-After header of these refusals");
  return command;
}

/// "127.0.0.1:9000" or "[::1]:9000" into address and port.
bool set_listen(const std::string& text, ReceiveOptions& options) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const auto port = parse_integer(std::string_view(text).substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return false;
  std::string address = text.substr(0, colon);
  if (address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  options.listen_address = address == "localhost" ? "127.0.0.1" : address;
  options.port = static_cast<std::uint16_t>(*port);
  return true;
}

Result<void> set_failures(const Given& given, bool retry_after, ReceiveOptions& options) {
  const auto first = in_range("--fail-first", given.fail_first, 0, kAnyMax);
  if (!first) return first.error();
  options.fail_first = *first;
  const auto status = in_range("--fail-status", given.fail_status, 200, 599);
  if (!status) return status.error();
  options.fail_status = static_cast<std::uint16_t>(*status);
  const auto wait_s = in_range("--retry-after", given.retry_after_s, 0, kAnyMax);
  if (!wait_s) return wait_s.error();
  if (retry_after) options.retry_after_s = *wait_s;
  return {};
}

}  // namespace

int command_receive(const CommandLine& line) {
  Given given;
  ReceiveOptions options;
  Command command = make_command(given, options);
  int exit_code = kExitDone;
  const auto values = command.parse(line, exit_code);
  if (!values) return exit_code;
  if (!set_listen(given.listen, options))
    return fail(kExitUsage,
                "--listen: `" + given.listen + "` is not host:port, like 127.0.0.1:9000");
  options.verify = !given.no_verify;
  if (auto set = set_failures(given, values->count("retry-after") > 0, options); !set)
    return fail(set.error());
  if (options.tolerance_s < 0) return fail(kExitUsage, "--tolerance: must be 0 or more seconds");
  if (options.verify) {
    if (given.secret_env.empty() == given.secret_file.empty())
      return fail(kExitUsage,
                  "receive needs one of --secret-env, --secret-file, or else --no-verify");
    auto secret = resolve_secret({given.secret_env, given.secret_file});
    if (!secret) return fail(secret.error());
    options.secret = *std::move(secret);
  }
  const auto clock = make_clock();
  if (!clock) return fail(clock.error());
  options.clock = clock->get();

  std::atomic<bool> stop{false};
  // The receiver's loop has its own thread here, because signals are waited for, not handled.
  std::jthread waiter([&stop](const std::stop_token& done) {
    while (!done.stop_requested()) {
      if (stop_signals().wait_for(100)) {
        stop = true;
        return;
      }
    }
  });
  return run_receive(options, stop);
}

}  // namespace fleetmeter::app
