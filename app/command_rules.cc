#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <optional>

#include "alarms/json_text.h"
#include "app/command.h"
#include "app/config.h"

namespace fleetmeter::app {

namespace {

namespace po = boost::program_options;
using alarms::json_string;

constexpr const char* kStdin = "<stdin>";

/// A configuration and what was said of it.
struct Checked {
  std::string file;
  std::optional<Config> config;  ///< nullopt: it is wrong, by `problem`.
  ConfigProblem problem;
  std::vector<ConfigProblem> warnings;
};

Checked check(const std::string& file) {
  Checked checked;
  checked.file = file == "-" ? kStdin : file;
  const auto load = [&]() -> Result<Config> {
    if (file != "-") return load_config(file, checked.warnings, &checked.problem);
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    if (std::ferror(stdin) != 0) {
      checked.problem = {0, "", std::string("cannot be read: ") + std::strerror(errno)};
      return Error{ErrorCode::kInvalidArgument, checked.file + ": " + checked.problem.text()};
    }
    return parse_config(text, kStdin, checked.warnings, &checked.problem);
  };
  auto config = load();
  for (const ConfigProblem& warning : checked.warnings)
    std::cerr << checked.file << ':' << warning.line << ": warning: " << warning.text() << '\n';
  if (!config) fail(kExitUsage, config.error().message);
  if (config) checked.config = *std::move(config);
  return checked;
}

/// What a configuration holds: name and count.
using Contents = std::vector<std::pair<const char*, std::size_t>>;

Contents contents_of(const Config& config) {
  return {{"alarms", config.rules.alarms.size()},
          {"scaling_groups", config.rules.scaling.size()},
          {"environments", config.environments.size()},
          {"sources", config.files.size() + config.firehose.size() + config.kafka.size()},
          {"receivers", config.notify.size()}};
}

std::string contents_text(const Config& config) {
  std::string text;
  for (const auto& [name, count] : contents_of(config)) {
    std::string words = name;
    std::replace(words.begin(), words.end(), '_', ' ');
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + words;
  }
  return text;
}

std::string problem_json(const ConfigProblem& problem) {
  return "{\"line\":" + (problem.line > 0 ? std::to_string(problem.line) : "null") +
         ",\"key\":" + (problem.key.empty() ? "null" : json_string(problem.key)) +
         ",\"message\":" + json_string(problem.message) + "}";
}

std::string print_json(const std::vector<Checked>& all) {
  std::string files;
  for (const Checked& one : all) {
    std::string contents, warnings;
    if (one.config) {
      for (const auto& [name, count] : contents_of(*one.config))
        contents +=
            (contents.empty() ? "{" : ",") + json_string(name) + ":" + std::to_string(count);
    }
    for (const ConfigProblem& warning : one.warnings)
      warnings += (warnings.empty() ? "" : ",") + problem_json(warning);
    files += (files.empty() ? "" : ",") + std::string("{\"file\":") + json_string(one.file) +
             ",\"valid\":" + (one.config ? "true" : "false") +
             ",\"contents\":" + (one.config ? contents + "}" : "null") + ",\"errors\":[" +
             (one.config ? "" : problem_json(one.problem)) + "],\"warnings\":[" + warnings + "]}";
  }
  return "{\"schema\":1,\"files\":[" + files + "]}\n";
}

/// One row a problem, and one for a file that is good.
std::string print_table(const std::vector<Checked>& all, OutputFormat format) {
  TablePrinter table({"file", "line", "severity", "key", "message"});
  const auto add = [&table](const Checked& one, const char* severity,
                            const ConfigProblem& problem) {
    table.row({one.file, problem.line > 0 ? std::to_string(problem.line) : "", severity,
               problem.key, problem.message});
  };
  for (const Checked& one : all) {
    for (const ConfigProblem& warning : one.warnings) add(one, "warning", warning);
    if (one.config) {
      add(one, "ok", {0, "", contents_text(*one.config)});
    } else {
      add(one, "error", one.problem);
    }
  }
  const std::string text = table.print(format);
  return format == OutputFormat::kHtml ? html_page("Rules", text) : text;
}

std::string print(const std::vector<Checked>& all, OutputFormat format) {
  if (format == OutputFormat::kJson) return print_json(all);
  if (format != OutputFormat::kTable) return print_table(all, format);
  std::string text;  // Of the good ones; standard error has the rest.
  for (const Checked& one : all) {
    if (one.config) text += one.file + ": ok: " + contents_text(*one.config) + "\n";
  }
  return text;
}

int check_all(const std::vector<std::string>& files, OutputFormat format) {
  if (std::count(files.begin(), files.end(), "-") > 1)
    return fail(kExitUsage, "rules check: `-` is given twice; standard input can be read once");
  std::vector<Checked> all;
  for (const std::string& file : files) all.push_back(check(file));
  std::cout << print(all, format) << std::flush;
  const bool good = std::all_of(all.begin(), all.end(),
                                [](const Checked& one) { return one.config.has_value(); });
  return good ? kExitDone : kExitUsage;
}

}  // namespace

int command_rules(const CommandLine& line) {
  std::string format_name = "table";
  Command command("fleetmeter rules check [OPTION]... [FILE]...|-",
                  "Validates configuration files, or standard input: keys, types, values, and "
                  "names that must exist.\n"
                  "Opens no referenced file and no socket. Of a wrong file the first error is "
                  "told.\n"
                  "Exit code 0 when all are good, 2 otherwise.",
                  {"fleetmeter rules check", "fleetmeter rules check fleet.yaml staging.yaml",
                   "fleetmeter rules check --format json fleet.yaml | jq '.files[].errors'",
                   "fleetmeter help config | fleetmeter rules check -",
                   "fleetmeter help config > fleet.yaml && fleetmeter rules check"});
  command.options().add_options()("format", po::value(&format_name)->default_value(format_name),
                                  "table, json, csv, markdown or html");
  command.positional("verb");
  int exit_code = kExitDone;
  const auto values = command.parse(line, exit_code);
  if (!values) return exit_code;
  std::vector<std::string> words;
  if (values->count("verb") > 0) words = (*values)["verb"].as<std::vector<std::string>>();
  if (words.empty() || words.front() != "check") {
    return fail(kExitUsage, (words.empty() ? "rules needs a verb"
                                           : "rules: `" + words.front() + "` is not a verb") +
                                std::string("; there is: check"));
  }
  const auto format = parse_format(format_name);
  if (!format) return kExitUsage;
  words.erase(words.begin());
  if (words.empty()) words.emplace_back("fleet.yaml");
  return check_all(words, *format);
}

}  // namespace fleetmeter::app
