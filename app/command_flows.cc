#include <sys/stat.h>

#include <algorithm>
#include <iostream>
#include <sstream>

#include "app/command.h"
#include "app/flow_summary.h"
#include "app/input_counts.h"
#include "app/yaml_reader.h"
#include "ingest/compressed_copies.h"
#include "ingest/drop_inputs.h"
#include "ingest/files_source.h"
#include "ingest/flow_log_overlap.h"
#include "parsers/decoder.h"
#include "parsers/flow_layout.h"

namespace fleetmeter::app {

namespace {

namespace po = boost::program_options;
using Texts = std::vector<std::string>;

struct FlowsOptions {
  Texts paths, inventory, by;
  std::string flow_format, format, environment;
  std::size_t top = 10;
};

Texts texts_of(const po::variables_map& values, const char* name) {
  return values.count(name) > 0 ? values[name].as<Texts>() : Texts{};
}

Result<std::shared_ptr<const aggregator::Inventory>> load_inventory(const Texts& files) {
  if (files.empty()) return aggregator::Inventory::empty({});
  std::vector<aggregator::Inventory::Problem> warnings;
  auto inventory = aggregator::Inventory::load(files, {}, warnings);
  for (const auto& warning : warnings)
    std::cerr << warning.file << ": warning: " << warning.message << '\n';
  return inventory;
}

/// A column that no version knows is read over, so a slip of the pen loses it: said before reading.
void warn_of_unknown_fields(const std::string& flow_format) {
  const parsers::FlowLayout layout = parsers::parse_layout(flow_format);
  if (layout.unknown_columns == 0) return;
  Texts fields;
  for (std::size_t i = 0; i < parsers::kFlowFieldCount; ++i)
    fields.emplace_back(parsers::info(static_cast<parsers::FlowField>(i)).name);
  std::istringstream names(layout.names);
  std::string name;
  for (const int column : layout.columns) {
    names >> name;
    if (column != parsers::FlowLayout::kUnknownColumn) continue;
    std::cerr << "--flow-format: warning: `" << name << "` ";
    if (parsers::find_field(name)) {
      std::cerr << "is named twice; the first one counts\n";
      continue;
    }
    const std::string near = nearest_word(name, fields);
    std::cerr << "is no field of a flow log"
              << (near.empty() ? "" : "; did you mean `" + near + "`?") << '\n';
  }
}

std::uint64_t size_of(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && info.st_size > 0
             ? static_cast<std::uint64_t>(info.st_size)
             : 0;
}

std::uint64_t dropped(const parsers::Decoder& decoder, parsers::PayloadDrop reason) {
  return decoder.counts().dropped[static_cast<std::size_t>(reason)];
}

/// Of a file that was read to its end: what it wraps was damaged or cut, and was all that it had.
/// Among others a damaged payload is a counted drop.
bool wraps_damage(const parsers::Decoder& decoder) {
  using parsers::PayloadDrop;
  return nothing_read(decoder.counts()) && dropped(decoder, PayloadDrop::kBadGzip) +
                                                   dropped(decoder, PayloadDrop::kTruncated) +
                                                   dropped(decoder, PayloadDrop::kBadBase64) >
                                               0;
}

/// What was read, and what only the hints of what to do need.
struct Reading {
  FlowSummary summary;
  bool guessed_columns = false;  ///< Of lines that were dropped: nothing told what they are.
};

Reading read_all(const Texts& files, FlowReader& reader, const FlowsOptions& options,
                 std::vector<FlowSummary::BadFile> bad) {
  parsers::DecoderOptions decoding;
  decoding.flow_format = options.flow_format;
  decoding.fields = FlowReader::fields_needed();
  ingest::FlowLogOverlap overlap(reader);
  parsers::Decoder decoder(decoding, overlap);
  parsers::DecodeCounts counts = decoder.counts();  // The format itself may hold unknown fields.

  bool guessed_columns = false;
  parsers::FlowDropSamples::ByReason samples;
  std::uint64_t bytes_all = 0, bytes_done = 0;
  for (const std::string& file : files) bytes_all += size_of(file);
  {
    ProgressBar bar("reading");
    for (const std::string& file : files) {
      decoder.reset_counts();
      overlap.begin(file);
      std::string error;
      const bool whole = ingest::decode_file(file, decoder, error, [&](std::uint64_t bytes) {
        bytes_done += bytes;
        bar.update(bytes_done, bytes_all);
      });
      if (!whole || wraps_damage(decoder)) {
        bad.push_back({file == "-" ? "standard input" : file,
                       error.empty() ? ingest::explain_bad_file(decoder) : error});
      }
      const parsers::FlowCounts& flows = decoder.counts().flows;
      guessed_columns |= options.flow_format.empty() && !decoder.is_object() &&
                         flows.headers == 0 && flows.malformed() > 0;
      counts += decoder.counts();
      decoder.drop_samples().add_to(samples, file);
      ingest::add_drop_inputs(decoder.counts(), file, samples);
    }
  }
  for (const std::string& notice : overlap.take_notices()) std::cerr << notice << '\n';
  FlowSummary summary = reader.summarize(counts, options.by, options.top);
  summary.bad_files = std::move(bad);
  summary.drop_samples = std::move(samples);
  return {std::move(summary), guessed_columns};
}

std::string print(const FlowSummary& summary, OutputFormat format) {
  switch (format) {
    case OutputFormat::kJson:
      return flow_summary_json(summary) + "\n";
    case OutputFormat::kCsv:
      return flow_summary_csv(summary);
    case OutputFormat::kMarkdown:
      return flow_summary_markdown(summary);
    case OutputFormat::kHtml:
      return flow_summary_html(summary);
    case OutputFormat::kTable:
      break;
  }
  return flow_summary_tables(summary);
}

std::string why_nothing(const Reading& reading) {
  const parsers::DecodeCounts& counts = reading.summary.counts;
  const auto foreign = static_cast<std::size_t>(parsers::FlowDrop::kNotAFlowRecord);
  if (counts.flows.malformed() > counts.flows.dropped[foreign]) {
    return reading.guessed_columns
               ? "no line could be read; if the columns are not the default ones and there is no "
                 "header line, name them with --flow-format"
               : "no record could be read";
  }
  return counts.metrics.malformed() > 0 ? "no datapoint could be read" : "nothing could be read";
}

int finish(const Reading& reading, OutputFormat format, bool strict) {
  const FlowSummary& summary = reading.summary;
  const std::string problems = flow_summary_problems(summary);
  const bool nothing = nothing_read(summary.counts);
  if (nothing && !summary.bad_files.empty()) {
    std::cerr << problems;
    return fail(kExitUsage, "nothing could be read");
  }
  std::cout << print(summary, format) << std::flush;
  std::cerr << problems;
  if (nothing && summary.anything_dropped()) return fail(kExitUsage, why_nothing(reading));
  if (!summary.bad_files.empty()) return kExitPartly;
  if (nothing) std::cerr << "fleetmeter: the input is empty\n";
  return strict && summary.anything_dropped() ? kExitPartly : kExitDone;
}

/// A list by NAT gateways that stays empty because nothing says which interfaces are theirs.
void hint_at_gateways(const FlowSummary& summary, const aggregator::Inventory& inventory) {
  const bool known = std::ranges::any_of(
      inventory.interfaces(), [](const auto& one) { return one.role == proto::ROLE_NAT; });
  for (const TopList& list : summary.top) {
    if (list.by != "nat" && list.by != "nat_gateway") continue;
    if (std::ranges::any_of(list.entries, [](const TopEntry& one) { return !one.remainder; }))
      continue;
    std::cerr << "--by " << list.by << ": "
              << (known ? "nothing went through the NAT gateways of the inventory\n"
                        : "no interface is known as a NAT gateway's; name them in an --inventory "
                          "file, like `interfaces: [{ id: eni-..., role: nat }]`\n");
  }
}

Command make_command() {
  Command command(
      "fleetmeter flows [OPTION]... PATH...|-",
      "Summary of VPC flow logs straight from files, directories, patterns (** too) or standard\n"
      "input, plain, gzip or zstd: records, rejects, path classes, what the bytes pay, top "
      "talkers.\n"
      "No configuration. Path classes and owners need to know the subnets: --inventory.",
      {"fleetmeter flows flow.log.gz", "fleetmeter flows 'AWSLogs/**/*.log.gz' --top 20",
       "fleetmeter flows --inventory terraform.tfstate --inventory nat.yaml AWSLogs",
       "aws logs tail /vpc/flow --since 1h --format short | fleetmeter flows -",
       "fleetmeter flows --flow-format '${interface-id} ${srcaddr} ${dstaddr} ${dstport} "
       "${packets} "
       "${bytes} ${start} ${action}' custom.log",
       "fleetmeter flows --format json --by nat x.log | jq '.top'"});
  command.options().add_options()(
      "inventory", po::value<Texts>()->composing()->value_name("FILE"),
      "Terraform state, AWS CLI describe-*.json, or plain YAML/JSON; may be repeated")(
      "flow-format", po::value<std::string>()->default_value("")->value_name("FMT"),
      "LogFormat of files without header line, or v2 to v5 for all fields of a version (default: "
      "v2)")("format", po::value<std::string>()->default_value("table"),
             "table, json, csv, markdown or html")(
      "top", po::value<std::int64_t>()->default_value(10)->value_name("N"),
      "entries of each list, 0 to 100000")(
      "by", po::value<Texts>()->composing()->value_name("KEY"),
      "show this list alone; may be repeated: interface, owner, nat_gateway, nat, source, "
      "destination, port, rejected_source, rejected_port")(
      "environment", po::value<std::string>()->default_value("")->value_name("E"),
      "environment of every record (default: by the inventory)")(
      "strict", "exit code 1 when anything was dropped");
  command.positional("path");
  return command;
}

}  // namespace

int command_flows(const CommandLine& line) {
  Command command = make_command();
  int exit_code = kExitDone;
  const auto values = command.parse(line, exit_code);
  if (!values) return exit_code;
  FlowsOptions options;
  options.paths = texts_of(*values, "path");
  options.inventory = texts_of(*values, "inventory");
  options.by = texts_of(*values, "by");
  options.flow_format = flow_format_of((*values)["flow-format"].as<std::string>());
  options.environment = (*values)["environment"].as<std::string>();
  const auto format = parse_format((*values)["format"].as<std::string>());
  if (!format) return kExitUsage;
  const auto top = (*values)["top"].as<std::int64_t>();
  if (top < 0 || top > 100'000) return fail(kExitUsage, "--top: must be a number from 0 to 100000");
  options.top = static_cast<std::size_t>(top);
  const Texts& known = top_keys();
  for (const std::string& key : options.by) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      return fail(kExitUsage,
                  "--by: `" + key + "` is none of the lists; see `fleetmeter flows --help`");
  }
  const bool asked = !options.by.empty();
  if (!asked) options.by = known;
  if (options.paths.empty())
    return fail(kExitUsage, "flows needs a file, directory or pattern, or - for standard input");

  if (auto named = check_inventory_files(options.inventory); !named) return fail(named.error());
  std::vector<FlowSummary::BadFile> bad;
  auto [files, missing] = ingest::expand_paths(options.paths);
  for (const auto& [path, why] : missing) bad.push_back({path, why});
  if (files.empty()) return fail(kExitUsage, bad.front().file + ": " + bad.front().error);
  for (const ingest::CompressedTwin& twin : ingest::take_out_compressed_copies(files))
    std::cerr << ingest::to_text(twin) << '\n';
  const auto inventory = load_inventory(options.inventory);
  if (!inventory) return fail(kExitUsage, "--inventory: " + inventory.error().message);
  warn_of_unknown_fields(options.flow_format);
  FlowReader reader(*inventory, options.environment);
  const Reading reading = read_all(files, reader, options, std::move(bad));
  if (asked && !nothing_read(reading.summary.counts))
    hint_at_gateways(reading.summary, **inventory);
  return finish(reading, *format, values->count("strict") > 0);
}

}  // namespace fleetmeter::app
