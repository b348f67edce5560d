#include "app/command.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>

#include "parsers/flow_field.h"

namespace fleetmeter::app {

namespace po = boost::program_options;

Command::Command(std::string usage, std::string summary, std::vector<std::string> examples)
    : usage_(std::move(usage)), summary_(std::move(summary)), examples_(std::move(examples)) {
  options_.add_options()("help,h", "print this help");
}

void Command::positional(const char* name) {
  positional_ = name;
  hidden_.add_options()(name, po::value<std::vector<std::string>>());
}

std::optional<po::variables_map> Command::parse(const CommandLine& line, int& exit_code) {
  po::options_description all;
  all.add(options_).add(hidden_);
  po::positional_options_description positions;
  if (!positional_.empty()) positions.add(positional_.c_str(), -1);
  po::variables_map values;
  try {
    // No guessing: an abbreviated option would change its meaning when a release adds another.
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(line.arguments)
                  .options(all)
                  .positional(positions)
                  .style(style)
                  .run(),
              values);
    if (values.count("help") == 0) po::notify(values);
  } catch (const po::error& problem) {
    exit_code = fail(kExitUsage, std::string(problem.what()) + "; see `" +
                                     usage_.substr(0, usage_.find(" [")) + " --help`");
    return std::nullopt;
  }
  if (values.count("help") > 0) {
    print_help();
    exit_code = kExitDone;
    return std::nullopt;
  }
  return values;
}

void Command::print_help() const {
  std::cout << "Usage: " << usage_ << "\n\n" << summary_ << "\n\n" << options_;
  if (!examples_.empty()) std::cout << "\nExamples:\n";
  for (const std::string& example : examples_) std::cout << "  " << example << '\n';
}

std::optional<OutputFormat> parse_format(const std::string& name) {
  static constexpr std::pair<std::string_view, OutputFormat> kFormats[] = {
      {"table", OutputFormat::kTable},
      {"json", OutputFormat::kJson},
      {"csv", OutputFormat::kCsv},
      {"markdown", OutputFormat::kMarkdown},
      {"html", OutputFormat::kHtml}};
  for (const auto& [known, format] : kFormats) {
    if (name == known) return format;
  }
  fail(kExitUsage, "--format: `" + name + "` is none of table, json, csv, markdown, html");
  return std::nullopt;
}

int fail(int code, const std::string& message) {
  std::fprintf(stderr, "fleetmeter: %s\n", message.c_str());
  return code;
}

int fail(const Error& error) {
  const bool theirs = error.code == ErrorCode::kInvalidArgument ||
                      error.code == ErrorCode::kNotFound || error.code == ErrorCode::kDataLoss ||
                      error.code == ErrorCode::kUnavailable;
  return fail(theirs ? kExitUsage : kExitPartly, error.message);
}

void occupy_closed_streams() noexcept {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) != -1) continue;
    // Takes the lowest number that is free; reading the one and writing the others is refused.
    (void)open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

int flush_output(int exit_code) {
  std::cout.flush();
  if (std::cout) return exit_code;
  pollfd reader{STDOUT_FILENO, 0, 0};
  if (poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR) != 0) return exit_code;
  if (exit_code != kExitDone) return exit_code;
  return fail(kExitPartly, "standard output could not be written");
}

Result<void> check_writable(const std::string& option, const std::string& path) {
  if (path.empty() || std::ofstream(path, std::ios::binary | std::ios::app)) return {};
  return Error{ErrorCode::kInvalidArgument,
               option + ": " + path + ": cannot be written: " + std::strerror(errno)};
}

Result<std::uint32_t> in_range(const char* option, std::int64_t value, std::uint32_t from,
                               std::uint32_t to) {
  if (value >= from && value <= to) return static_cast<std::uint32_t>(value);
  return Error{ErrorCode::kInvalidArgument, std::string(option) + ": must be a number from " +
                                                std::to_string(from) + " to " + std::to_string(to)};
}

Result<void> check_inventory_files(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    if (file == "-" || access(file.c_str(), R_OK) == 0) continue;
    return Error{ErrorCode::kInvalidArgument,
                 "--inventory: " + file + ": cannot be read: " + std::strerror(errno)};
  }
  if (std::find(files.begin(), files.end(), "-") == files.end()) return {};
  return Error{ErrorCode::kInvalidArgument,
               "--inventory: `-` is not supported: an inventory is a file; write standard input to "
               "one and name it, or name /dev/stdin"};
}

std::string flow_format_of(const std::string& given) {
  using parsers::FlowField;
  static constexpr std::pair<std::string_view, FlowField> kLast[] = {
      {"v2", FlowField::kLogStatus},
      {"v3", FlowField::kPktDstaddr},
      {"v4", FlowField::kSublocationId},
      {"v5", FlowField::kTrafficPath}};
  for (const auto& [version, last] : kLast) {
    if (given != version) continue;
    std::string names;
    for (std::size_t i = 0; i <= static_cast<std::size_t>(last); ++i) {
      names += i == 0 ? "" : " ";
      names += parsers::info(static_cast<FlowField>(i)).name;
    }
    return names;
  }
  return given;
}

bool stdout_is_terminal() noexcept { return isatty(STDOUT_FILENO) != 0; }
bool stderr_is_terminal() noexcept { return isatty(STDERR_FILENO) != 0; }

StopSignals::StopSignals() {
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  struct sigaction now {};
  const bool is_ignored =
      sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;  // By nohup(1).
  if (!is_ignored) sigaddset(&set_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

void StopSignals::wait() {
  while (!wait_for(3'600'000)) {
  }
}

bool StopSignals::wait_for(std::int64_t timeout_ms) {
  if (arrived_) return true;
  const timespec timeout{static_cast<std::time_t>(timeout_ms / 1000),
                         static_cast<long>(timeout_ms % 1000) * 1'000'000L};
  const int signal = sigtimedwait(&set_, nullptr, &timeout);
  if (signal > 0) arrived_ = signal;
  return arrived_.has_value();
}

StopSignals& stop_signals() {
  static StopSignals signals;
  return signals;
}

}  // namespace fleetmeter::app
