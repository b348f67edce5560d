#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "app/command.h"
#include "app/config.h"
#include "app/cost_report.h"
#include "app/test_clock.h"
#include "app/yaml_reader.h"

namespace fleetmeter::app {

namespace {

namespace po = boost::program_options;
using Basis = cost::ReportOptions::Basis;
using Texts = std::vector<std::string>;

struct CostOptions {
  std::string config, usage, month, basis, environment, region, hours = "730", format = "table",
                                                                out, prices, free_tier = "never";
  Texts inventory, assume;
};

Command make_command(CostOptions& options) {
  Command command(
      "fleetmeter cost report [OPTION]...",
      "The monthly bill per environment at list price. `estimate` prices a whole month of what "
      "the\n"
      "inventory and the usage file say; `to-date` what telemetry has seen of a month, from "
      "cost.db.\n"
      "Unknown figures are named and counted, never 0. Exit code 3 when the total of an "
      "environment\n"
      "exceeds its `budget` in the configuration.",
      {"fleetmeter cost report -c fleet.yaml",
       "fleetmeter cost report -c fleet.yaml --month 2026-11 --out report.html",
       "fleetmeter cost report --inventory plan.json --usage usage.yml --assume os=linux",
       "fleetmeter cost report -c fleet.yaml --basis estimate --format json | jq -r .total"});
  command.options().add_options()(
      "config,c", po::value(&options.config)->value_name("FILE"),
      "take inventory, environments and cost.db from this configuration")(
      "inventory", po::value(&options.inventory)->composing()->value_name("FILE"),
      "Terraform state or plan, AWS CLI JSON, plain YAML; besides the configuration's; may be "
      "repeated")("usage", po::value(&options.usage)->value_name("FILE"),
                  "usage file (docs/cost.md)")(
      "month", po::value(&options.month)->value_name("YYYY-MM"),
      "default: the newest in cost.db, else the current one")(
      "basis", po::value(&options.basis)->value_name("BASIS"),
      "estimate or to-date (default: to-date where there is a cost.db)")(
      "environment", po::value(&options.environment)->value_name("E"), "this one only")(
      "region", po::value(&options.region)->value_name("R"),
      "of what neither inventory nor environment places, as in many plans")(
      "assume", po::value(&options.assume)->composing()->value_name("KEY=VALUE"),
      "os=linux or os=windows: price every machine so")(
      "hours", po::value(&options.hours)->default_value(options.hours),
      "hours of an estimated month: 730, or actual")(
      "free-tier",
      po::value(&options.free_tier)->default_value(options.free_tier)->implicit_value("always"),
      "always (or legacy) takes off what AWS gives free each month; never (or none) does not")(
      "prices", po::value(&options.prices)->value_name("DIR"),
      "price files that replace or add to the built-in ones")(
      "format", po::value(&options.format)->default_value(options.format),
      "table, json, csv, markdown or html (default with --out: by its name)")(
      "out", po::value(&options.out)->value_name("FILE"), "write to a file instead");
  command.positional("verb");
  return command;
}

Error bad(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

bool holds_nothing(const aggregator::Inventory& inventory) {
  return inventory.instances().empty() && inventory.groups().empty() &&
         inventory.resources().empty() && inventory.interfaces().empty() &&
         inventory.subnets().empty() && inventory.vpcs().empty();
}

/// What a report is made of, from the configuration and the command line.
struct Inputs {
  std::shared_ptr<const aggregator::Inventory> inventory;
  std::optional<cost::UsageFile> usage_file;
  std::optional<cost::PriceBook> prices;
  std::string cost_db;  ///< Empty = there is none.
  Texts files;          ///< Of the inventory.
  std::map<std::string, cost::Budget> budgets;
};

/// What the usage file says of an environment that there is not would be of no line's.
Result<void> check_environments(const cost::UsageFile& usage,
                                const aggregator::Inventory& inventory) {
  if (inventory.environments().empty()) return {};  // Any name is one.
  Texts known;
  for (const aggregator::EnvironmentMatch& one : inventory.environments())
    known.push_back(one.name);
  for (const aggregator::Resource& one : inventory.resources()) {
    if (std::ranges::find(known, one.environment) == known.end() && !one.environment.empty() &&
        one.environment != "unassigned")
      known.push_back(one.environment);
  }
  known.emplace_back("unassigned");
  for (const cost::NamedEnvironment& named : usage.environments()) {
    if (std::ranges::find(known, named.name) != known.end()) continue;
    const std::string near = nearest_word(named.name, known);
    std::string all;
    for (const std::string& one : known) all += (all.empty() ? "" : ", ") + one;
    return bad(usage.name() + ":" + std::to_string(named.line) + ": " + named.key + ": `" +
               named.name + "` is none of " + all +
               (near.empty() ? "" : "; did you mean `" + near + "`?"));
  }
  return {};
}

Result<Inputs> load_inputs(const CostOptions& options) {
  Inputs inputs;
  if (auto named = check_inventory_files(options.inventory); !named)
    return std::move(named).error();
  Texts files;
  std::vector<aggregator::EnvironmentMatch> environments;
  if (!options.config.empty()) {
    std::vector<ConfigProblem> warnings;
    auto config = load_config(options.config, warnings);
    if (!config) return std::move(config).error();
    if (auto there = check_inventory(*config); !there) return std::move(there).error();
    files = config->inventory;
    environments = config->environments;
    inputs.budgets = config->budgets;
    const auto path = std::filesystem::path(config->state) / "cost.db";
    std::error_code error;
    if (std::filesystem::exists(path, error)) inputs.cost_db = path.string();
  }
  files.insert(files.end(), options.inventory.begin(), options.inventory.end());
  if (files.empty()) {
    inputs.inventory = aggregator::Inventory::empty(environments);
  } else {
    std::vector<aggregator::Inventory::Problem> warnings;
    auto inventory = aggregator::Inventory::load(files, environments, warnings);
    for (const auto& warning : warnings)
      std::cerr << warning.file << ": warning: " << warning.message << '\n';
    if (!inventory) return std::move(inventory).error().with_context("inventory");
    inputs.inventory = *std::move(inventory);
  }
  if (!options.usage.empty()) {
    auto usage = cost::UsageFile::load(options.usage);
    if (!usage) return std::move(usage).error();
    if (auto known = check_environments(*usage, *inputs.inventory); !known)
      return std::move(known).error();
    inputs.usage_file = *std::move(usage);
  }
  std::vector<std::string> warnings;
  auto prices = options.prices.empty() ? cost::PriceBook::embedded()
                                       : cost::PriceBook::load(options.prices, &warnings);
  for (const std::string& warning : warnings) std::cerr << "--prices: warning: " << warning << '\n';
  if (!prices) return std::move(prices).error();
  inputs.prices = *std::move(prices);
  inputs.files = files;
  if (files.empty() && !inputs.usage_file && inputs.cost_db.empty()) {
    return bad(
        "there is nothing to price: give -c FILE of a fleet that has run, --inventory FILE or "
        "--usage FILE");
  }
  return inputs;
}

Result<Basis> basis_of(const CostOptions& options, const Inputs& inputs) {
  if (options.basis.empty()) return inputs.cost_db.empty() ? Basis::kEstimate : Basis::kToDate;
  if (options.basis == "estimate") return Basis::kEstimate;
  if (options.basis != "to-date" && options.basis != "to_date")
    return bad("--basis: `" + options.basis + "` is none of estimate, to-date");
  if (inputs.cost_db.empty()) {
    return bad(
        "--basis to-date needs the cost.db of a fleet that has run: give -c FILE, and run "
        "`fleetmeter run -c FILE` first");
  }
  return Basis::kToDate;
}

Result<std::chrono::year_month> month_of(const CostOptions& options, const Inputs& inputs,
                                         Basis basis) {
  if (!options.month.empty()) {
    const auto month = parse_month(options.month);
    if (!month) return bad("--month: `" + options.month + "` is not a month like 2026-11");
    return *month;
  }
  if (basis == Basis::kToDate) {
    const auto months = months_of(inputs.cost_db);
    if (!months) return months.error();
    if (!months->empty()) return months->back();
  }
  auto clock = make_clock();
  if (!clock) return std::move(clock).error();
  return app::month_of((*clock)->wall().time_since_epoch().count() / 1000);
}

Result<cost::ReportOptions> report_options(const CostOptions& options, const Inputs& inputs) {
  cost::ReportOptions made;
  const auto basis = basis_of(options, inputs);
  if (!basis) return basis.error();
  made.basis = *basis;
  const auto month = month_of(options, inputs, *basis);
  if (!month) return month.error();
  made.month = month_text(*month);
  made.environment = options.environment;
  made.region = options.region;
  made.budgets = inputs.budgets;
  if (!options.region.empty() && inputs.prices && !inputs.prices->has_region(options.region)) {
    std::string known;
    for (const std::string& one : inputs.prices->regions())
      known += (known.empty() ? "" : ", ") + one;
    return bad("--region: there are no prices of `" + options.region + "`; there are of " + known +
               ", and --prices DIR adds others");
  }
  // AWS calls the accounts that have the allowances legacy, and those without them none.
  const bool free = options.free_tier == "always" || options.free_tier == "legacy";
  if (!free && options.free_tier != "never" && options.free_tier != "none")
    return bad("--free-tier: `" + options.free_tier + "` is none of always, never, legacy, none");
  made.free_tier = free;
  if (options.hours == "actual") {
    const MonthHours hours = hours_of(*month);
    made.hours = hours.last - hours.first;
  } else if (const auto hours = parse_integer(options.hours);
             hours && *hours >= 1 && *hours <= 744) {
    made.hours = static_cast<std::uint32_t>(*hours);
  } else {
    return bad("--hours: `" + options.hours + "` is neither `actual` nor a number from 1 to 744");
  }
  for (const std::string& assumed : options.assume) {
    if (assumed != "os=linux" && assumed != "os=windows")
      return bad("--assume: `" + assumed + "` is none of os=linux, os=windows");
    made.assume_windows = assumed == "os=windows";
  }
  return made;
}

cost::Format cost_format(OutputFormat format) {
  switch (format) {
    case OutputFormat::kJson:
      return cost::Format::kJson;
    case OutputFormat::kCsv:
      return cost::Format::kCsv;
    case OutputFormat::kMarkdown:
      return cost::Format::kMarkdown;
    case OutputFormat::kHtml:
      return cost::Format::kHtml;
    case OutputFormat::kTable:
      break;
  }
  return cost::Format::kTable;
}

/// "report.html" is meant as HTML unless --format says otherwise. An ending that is none of ours is
/// refused then: nobody means a table by "report.pdf".
Result<std::string> format_name(const CostOptions& options, bool format_given) {
  static constexpr std::pair<std::string_view, const char*> kByEnd[] = {{".html", "html"},
                                                                        {".json", "json"},
                                                                        {".csv", "csv"},
                                                                        {".md", "markdown"},
                                                                        {".txt", "table"}};
  const std::string end = std::filesystem::path(options.out).extension().string();
  if (format_given || end.empty()) return options.format;
  std::string known;
  for (const auto& [name, format] : kByEnd) {
    if (end == name) return std::string(format);
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  return bad("--out: " + options.out + ": `" + end + "` is none of the endings " + known +
             "; take one, or say what to write with --format");
}

/// The report would take the place of what it is made of.
Result<void> check_out(const CostOptions& options, const Texts& inventory) {
  Texts read = inventory;
  read.push_back(options.config);
  read.push_back(options.usage);
  for (const std::string& file : read) {
    std::error_code none;
    if (!options.out.empty() && !file.empty() &&
        std::filesystem::equivalent(options.out, file, none))
      return bad("--out: " + options.out + " is read for the report; choose another file");
  }
  return {};
}

int write_report(const cost::Report& report, OutputFormat format, const std::string& out) {
  const bool color = out.empty() && stdout_is_terminal() && std::getenv("NO_COLOR") == nullptr;
  std::string text = cost::render(report, cost_format(format), color);
  if (!text.empty() && text.back() != '\n') text += '\n';
  if (out.empty()) {
    std::cout << text << std::flush;
    return std::cout ? kExitDone : fail(kExitPartly, "standard output could not be written");
  }
  std::ofstream file(out, std::ios::binary | std::ios::trunc);
  if (file) file << text << std::flush;
  if (!file)
    return fail(kExitUsage, "--out: " + out + ": cannot be written: " + std::strerror(errno));
  return kExitDone;
}

/// Says which budgets are exceeded; true when any is.
bool exceeds_a_budget(const cost::Report& report) {
  bool any = false;
  for (const cost::EnvironmentReport& one : report.environments) {
    if (!one.budget || one.budget->state != cost::BudgetCheck::State::kExceeded) continue;
    any = true;
    std::cerr << "fleetmeter: the budget of " << one.environment
              << " is exceeded: " << cost::to_cents(*one.total) << " of "
              << cost::to_cents(one.budget->monthly) << " USD\n";
  }
  return any;
}

int report(const CostOptions& options, OutputFormat format) {
  const auto inputs = load_inputs(options);
  if (!inputs) return fail(inputs.error());
  if (auto other = check_out(options, inputs->files); !other) return fail(other.error());
  const auto made = report_options(options, *inputs);
  if (!made) return fail(made.error());
  // With a usage file there is what it states; an empty plan is no mistake then.
  if (made->basis == Basis::kEstimate && !inputs->files.empty() && !inputs->usage_file &&
      holds_nothing(*inputs->inventory)) {
    std::string names;
    for (const std::string& file : inputs->files) names += (names.empty() ? "" : ", ") + file;
    return fail(bad("inventory: nothing to price in " + names +
                    "; give a Terraform state or plan as JSON, AWS CLI output of a kind that "
                    "docs/inventory.md lists, or the plain form"));
  }
  const cost::UsageFile* usage_file = inputs->usage_file ? &*inputs->usage_file : nullptr;
  const auto done =
      report_of(*made, *inputs->prices, *inputs->inventory, usage_file, inputs->cost_db);
  if (!done) return fail(done.error());
  // The other formats carry them.
  if (format == OutputFormat::kCsv) {
    for (const std::string& warning : done->warnings) std::cerr << "warning: " << warning << '\n';
  }
  const bool exceeded = exceeds_a_budget(*done);
  const int written = write_report(*done, format, options.out);
  return written == kExitDone && exceeded ? static_cast<int>(kExitBroken) : written;
}

}  // namespace

int command_cost(const CommandLine& line) {
  CostOptions options;
  Command command = make_command(options);
  int exit_code = kExitDone;
  const auto values = command.parse(line, exit_code);
  if (!values) return exit_code;
  const Texts verbs = values->count("verb") > 0 ? (*values)["verb"].as<Texts>() : Texts{};
  if (verbs.empty()) return fail(kExitUsage, "cost needs a verb; there is: report");
  if (verbs.front() != "report")
    return fail(kExitUsage, "cost: `" + verbs.front() + "` is not a verb; there is: report");
  if (verbs.size() > 1)
    return fail(kExitUsage,
                "cost report: `" + verbs[1] + "` is left over; files go to --inventory or --usage");
  const auto name = format_name(options, !(*values)["format"].defaulted());
  if (!name) return fail(name.error());
  const auto format = parse_format(*name);
  return format ? report(options, *format) : static_cast<int>(kExitUsage);
}

}  // namespace fleetmeter::app
