#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "bench/figures/figures.h"
#include "bench/figures/pieces.h"
#include "bench/parsers/flow_probe.h"
#include "ingest/file_bytes.h"
#include "parsers/flow_layout.h"
#include "parsers/parquet_pages.h"

namespace fleetmeter::figures {
namespace {

using parsers::FlowField;
using parsers::FlowLayout;
using parsers::IpAddress;
using parsers::bench::FlowProbe;

using Count = unsigned long long;

/// The fields of the sums: with the direction's there is no need of addresses.
parsers::FieldSet fields_of_sums(const FlowLayout& layout) {
  parsers::FieldSet fields{FlowField::kInterfaceId, FlowField::kPackets, FlowField::kBytes,
                           FlowField::kStart,       FlowField::kAction,  FlowField::kLogStatus};
  if (layout.has(FlowField::kFlowDirection)) {
    fields.add(FlowField::kFlowDirection);
  } else {
    fields.add(FlowField::kSrcaddr);
    fields.add(FlowField::kDstaddr);
  }
  return fields;
}

FlowProbe make_probe(const FlowLayout& layout, const parsers::FieldSet& fields) {
  if (!FlowProbe::is_supported()) fail("the probe needs AVX2 and BMI2");
  std::string kinds;
  for (const int column : layout.columns) {
    const auto field = static_cast<FlowField>(column);
    const bool asked = column != FlowLayout::kUnknownColumn && fields.has(field);
    kinds += asked ? FlowProbe::kind_of(field) : '-';
  }
  return FlowProbe{kinds};
}

const FlowProbe::Column& column_of(const FlowProbe& probe, const FlowLayout& layout,
                                   FlowField field) {
  const auto at = std::ranges::find(layout.columns, static_cast<int>(field));
  if (at == layout.columns.end()) fail("the format lacks a field that is asked for");
  return probe.columns[static_cast<std::size_t>(at - layout.columns.begin())];
}

bool is_private(const IpAddress& address) noexcept {
  const std::uint32_t a = address.v4();
  return a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 || a >> 22 == 0x191 ||
         a >> 16 == 0xa9fe || a >> 24 == 127;
}

struct Sums {
  std::array<std::uint64_t, 2> interface {};  ///< The last 16 bytes of its name.
  std::uint32_t kind = 0;                     ///< Direction and action; 0: a free slot.
  std::uint64_t packets = 0, bytes = 0, records = 0;
};

/// Kinds of rows: 1 + 2 * direction + action.
constexpr std::array<const char*, 3> kDirections{"unknown", "ingress", "egress"};

/// Sums of one minute by open addressing: logs are nearly in order of time, so that few tables are
/// in use at once and stay in the cache.
class Minute {
 public:
  void add(const char* interface_end, std::uint32_t kind, std::uint64_t packets,
           std::uint64_t bytes) {
    std::array<std::uint64_t, 2> interface;
    std::memcpy(interface.data(), interface_end - sizeof interface, sizeof interface);
    Sums& sums = find(interface, kind);
    sums.packets += packets;
    sums.bytes += bytes;
    ++sums.records;
  }

  [[nodiscard]] const std::vector<Sums>& slots() const noexcept { return slots_; }

 private:
  Sums& find(const std::array<std::uint64_t, 2>& interface, std::uint32_t kind) {
    if (2 * used_ >= slots_.size()) grow();
    Sums* sums = slot(interface, kind);
    if (sums->kind == 0) {
      sums->interface = interface;
      sums->kind = kind;
      ++used_;
    }
    return *sums;
  }

  Sums* slot(const std::array<std::uint64_t, 2>& interface, std::uint32_t kind) {
    const std::uint64_t mixed =
        (interface[0] ^ (interface[1] * 0x9e3779b97f4a7c15 + kind)) * 0xbf58476d1ce4e5b9;
    for (std::size_t at = mixed >> 40 & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      Sums& sums = slots_[at];
      if (sums.kind == 0 || (sums.kind == kind && sums.interface == interface)) return &sums;
    }
  }

  void grow() {
    std::vector<Sums> old(std::max<std::size_t>(256, slots_.size() * 4));
    old.swap(slots_);
    for (const Sums& sums : old) {
      if (sums.kind != 0) *slot(sums.interface, sums.kind) = sums;
    }
  }

  std::vector<Sums> slots_;
  std::size_t used_ = 0;
};

class Aggregation {
 public:
  Aggregation(const FlowProbe& probe, const FlowLayout& layout)
      : interface_(column_of(probe, layout, FlowField::kInterfaceId)),
        packets_(column_of(probe, layout, FlowField::kPackets)),
        bytes_(column_of(probe, layout, FlowField::kBytes)),
        start_(column_of(probe, layout, FlowField::kStart)),
        action_(column_of(probe, layout, FlowField::kAction)),
        status_(column_of(probe, layout, FlowField::kLogStatus)),
        has_direction_(layout.has(FlowField::kFlowDirection)),
        source_(column_of(probe, layout,
                          has_direction_ ? FlowField::kFlowDirection : FlowField::kSrcaddr)),
        destination_(has_direction_ ? source_ : column_of(probe, layout, FlowField::kDstaddr)) {}

  void add(std::uint32_t lines) {
    for (std::uint32_t i = 0; i < lines; ++i) {
      if (status_.words[i] != 'O') continue;
      const std::string_view interface = interface_.texts[i];
      minute_of(start_.numbers[i])
          .add(interface.data() + interface.size(),
               1 + 2 * direction(i) + (action_.words[i] == 'R' ? 1 : 0), packets_.numbers[i],
               bytes_.numbers[i]);
    }
  }

  void print() const {
    for (std::size_t minute = 0; minute < minutes_.size(); ++minute) {
      for (const Sums& sums : minutes_[minute].slots()) {
        if (sums.kind == 0) continue;
        // The front of an interface's name, "eni-0", is not in the table.
        std::printf("eni-0%.16s,%s,%s,%zu,%llu,%llu,%llu\n",
                    reinterpret_cast<const char*>(sums.interface.data()),
                    kDirections.at((sums.kind - 1) / 2), sums.kind % 2 == 0 ? "REJECT" : "ACCEPT",
                    first_minute_ + minute, static_cast<Count>(sums.packets),
                    static_cast<Count>(sums.bytes), static_cast<Count>(sums.records));
      }
    }
  }

 private:
  [[nodiscard]] std::uint32_t direction(std::uint32_t line) const noexcept {
    if (has_direction_) return source_.words[line] == 'i' ? 1 : 2;
    const bool from = is_private(source_.addresses[line]);
    const bool to = is_private(destination_.addresses[line]);
    return from == to ? 0 : to ? 1 : 2;
  }

  Minute& minute_of(std::uint64_t start_s) {
    constexpr std::size_t kBefore = 60;  // Records may come this much before the first one.
    const std::uint64_t minute = start_s / 60;
    if (minutes_.empty()) first_minute_ = minute - kBefore;
    const std::size_t at = minute - first_minute_;
    if (at >= minutes_.size()) minutes_.resize(at + 1);
    return minutes_[at];
  }

  const FlowProbe::Column& interface_;
  const FlowProbe::Column& packets_;
  const FlowProbe::Column& bytes_;
  const FlowProbe::Column& start_;
  const FlowProbe::Column& action_;
  const FlowProbe::Column& status_;
  const bool has_direction_;
  const FlowProbe::Column& source_;  // Its direction where the format has one.
  const FlowProbe::Column& destination_;
  std::uint64_t first_minute_ = 0;
  std::vector<Minute> minutes_;
};

}  // namespace

void probe_columns(const std::string& format, const std::string& path) {
  const FlowLayout layout = parsers::parse_layout(format);
  FlowProbe probe = make_probe(layout, parsers::FieldSet::all());
  const auto& bytes = column_of(probe, layout, FlowField::kBytes).numbers;
  const auto& status = column_of(probe, layout, FlowField::kLogStatus).words;
  Count records = 0, byte_sum = 0;
  each_piece_of_lines<PlainFile>(path, [&](std::string_view text) {
    probe.run(text, [&](std::uint32_t lines) {
      records += lines;
      for (std::uint32_t i = 0; i < lines; ++i) byte_sum += status[i] == 'O' ? bytes[i] : 0;
    });
  });
  std::printf("{\"records\": %llu, \"bytes\": %llu, \"kernel\": \"%s\"}\n", records, byte_sum,
              std::string{FlowProbe::kernel()}.c_str());
}

void probe_flows(const std::string& format, const std::string& path, bool print) {
  const FlowLayout layout = parsers::parse_layout(format);
  FlowProbe probe = make_probe(layout, fields_of_sums(layout));
  Aggregation aggregation{probe, layout};
  const auto add = [&](std::string_view text) {
    probe.run(text, [&](std::uint32_t lines) { aggregation.add(lines); });
  };
  if (path.ends_with(".gz"))
    each_piece_of_lines<GzipFile>(path, add);
  else
    each_piece_of_lines<PlainFile>(path, add);
  if (print) aggregation.print();
}

void probe_inflate(const std::string& path) {
  constexpr std::size_t kRoom = 256u << 10;
  const auto room = std::make_unique<char[]>(kRoom);
  GzipFile file{path};
  Count plain = 0;
  while (const std::size_t got = file.read(room.get(), kRoom)) plain += got;
  std::printf("{\"plain_bytes\": %llu}\n", plain);
}

void probe_pages(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY);
  if (fd < 0) fail("cannot read " + path);
  const ingest::FileBytes bytes{fd};
  parsers::ParquetProblem problem;
  parsers::ParquetFooter footer;
  if (!parsers::read_parquet_footer(bytes, footer, problem)) fail(path + ' ' + problem.text);
  const parsers::FieldSet fields = fields_of_sums(parsers::default_layout());
  parsers::ParquetContext context{bytes, problem};
  for (std::size_t group = 0; group < footer.group_rows.size(); ++group) {
    for (std::size_t i = 0; i < footer.columns.size(); ++i) {
      const auto field = parsers::find_field(footer.columns[i].name);
      if (!field || !fields.has(*field)) continue;
      parsers::ParquetPages pages;
      parsers::ParquetPage page;
      pages.start(footer.columns[i], footer.chunk(group, i));
      while (pages.next(context, page) == parsers::ParquetPages::Next::kPage) continue;
    }
  }
  if (problem.any()) fail(path + ' ' + problem.text);
  std::printf("{\"plain_bytes\": %llu}\n", static_cast<Count>(context.plain_bytes));
  ::close(fd);
}

}  // namespace fleetmeter::figures
