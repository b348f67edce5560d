#pragma once

#include <signal.h>

#include <boost/program_options.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/result.h"

namespace fleetmeter::app {

/// Exit codes of every sub-command (docs/commands.md).
enum ExitCode : int {
  kExitDone = 0,    ///< Counted drops are summed up on stderr; --strict makes them kExitPartly.
  kExitPartly = 1,  ///< Some of the inputs could not be read to the end, the rest is done.
  kExitUsage = 2,   ///< Nothing could be read, or bad usage or configuration.
  kExitBroken = 3,  ///< Done, but a budget, rule test or diff limit is broken.
};

enum class OutputFormat : std::uint8_t { kTable, kJson, kCsv, kMarkdown, kHtml };

/// What a sub-command sees of the outside: arguments after its name.
struct CommandLine {
  std::vector<std::string> arguments;
};

/// One sub-command: its options, their help with examples, and its body. Parsing errors end with
/// kExitUsage and name the option.
class Command {
 public:
  /// `usage`: "fleetmeter flows [OPTION]... PATH...". `examples`: whole lines to type.
  Command(std::string usage, std::string summary, std::vector<std::string> examples);

  boost::program_options::options_description& options() noexcept { return options_; }
  /// Positional arguments go to option `name` (add it as a vector option with this name); shown in
  /// usage, not as --name.
  void positional(const char* name);
  /// nullopt: --help was printed or the arguments were wrong; exit with `exit_code`.
  [[nodiscard]] std::optional<boost::program_options::variables_map> parse(const CommandLine& line,
                                                                           int& exit_code);
  void print_help() const;

 private:
  std::string usage_, summary_;
  std::vector<std::string> examples_;
  boost::program_options::options_description options_{"Options", 100, 60};
  boost::program_options::options_description hidden_;
  std::string positional_;
};

/// table | json | csv | markdown | html; nullopt and a message on stderr otherwise.
[[nodiscard]] std::optional<OutputFormat> parse_format(const std::string& name);
/// Prints "fleetmeter: MESSAGE" on stderr and returns `code`.
int fail(int code, const std::string& message);
int fail(const Error& error);  ///< kExitUsage for what the user can fix, kExitPartly otherwise.

/// `value` of `option` as an unsigned number; kInvalidArgument unless it is in [from, to]. Options are
/// read signed, since streams wrap `-1` read as unsigned.
[[nodiscard]] Result<std::uint32_t> in_range(const char* option, std::int64_t value,
                                             std::uint32_t from, std::uint32_t to);

/// kInvalidArgument, with what to do instead, for `-` among the files of --inventory: in `flows`
/// standard input is telemetry, and one word has one meaning in all commands.
[[nodiscard]] Result<void> check_inventory_files(const std::vector<std::string>& files);

/// The fields that `--flow-format` means: "v2" to "v5" are all those up to that version in the order
/// of the AWS documentation; anything else is such a list already. Rule: Amazon VPC User Guide, "Flow
/// log records", "Available fields".
[[nodiscard]] std::string flow_format_of(const std::string& given);

/// First of all: standard streams that were closed become ones that fail, so that no file which is
/// opened later takes their number and is read, or written, as if it were one of them.
void occupy_closed_streams() noexcept;

/// At the end of a command: `exit_code`, or kExitPartly and a message when what it printed did not
/// get out. A reader that went away (`| head`) is no failure.
int flush_output(int exit_code);

/// That a file named by `option` can be written, said before the work rather than after it; makes
/// the file. An empty path is fine.
Result<void> check_writable(const std::string& option, const std::string& path);

[[nodiscard]] bool stdout_is_terminal() noexcept;
[[nodiscard]] bool stderr_is_terminal() noexcept;

/// Rows as an aligned table, or as JSON-free csv or markdown: the same cells for people and
/// programs. Right-aligned columns are those whose header ends in one of bytes, records, packets,
/// amount, price, quantity, count, share.
class TablePrinter {
 public:
  explicit TablePrinter(std::vector<std::string> headers);
  void row(std::vector<std::string> cells);
  [[nodiscard]] std::string print(OutputFormat format) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<std::string>> rows_;
};

/// A whole page; `body` is HTML already.
[[nodiscard]] std::string html_page(const std::string& title, const std::string& body);

/// A bar on stderr for work over a second, on a terminal only; thread safe.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ~ProgressBar();  ///< Clears the line.
  void update(std::uint64_t done, std::uint64_t all);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SIGTERM, SIGINT and a terminal's SIGHUP as something to wait for. Construct first in main:
/// threads started later inherit the blocked mask.
class StopSignals {
 public:
  StopSignals();
  void wait();                                           ///< Until one arrives.
  [[nodiscard]] bool wait_for(std::int64_t timeout_ms);  ///< True when one arrived.

 private:
  sigset_t set_;
  std::optional<int> arrived_;
};
StopSignals& stop_signals();

[[nodiscard]] std::string human_bytes(std::uint64_t bytes);    ///< "1.02 GB" (10^9), for people.
[[nodiscard]] std::string group_digits(std::uint64_t number);  ///< "1,018,421,268".
[[nodiscard]] std::optional<std::int64_t> parse_rfc3339(std::string_view text);

int command_run(const CommandLine& line);
int command_replay(const CommandLine& line);
int command_flows(const CommandLine& line);
int command_generate(const CommandLine& line);
int command_cost(const CommandLine& line);
int command_rules(const CommandLine& line);
int command_receive(const CommandLine& line);
int command_ingest(const CommandLine& line);
int command_evaluate(const CommandLine& line);
int command_help(const CommandLine& line);
int command_version(const CommandLine& line);

inline constexpr std::string_view kVersion = FLEETMETER_VERSION;

}  // namespace fleetmeter::app
