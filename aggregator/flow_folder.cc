#include "aggregator/flow_folder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "aggregator/capped_sum.h"
#include "aggregator/flow_facts.h"

namespace fleetmeter::aggregator {
namespace {

using parsers::FlowColumns;
using parsers::IpAddress;

constexpr std::uint64_t kDay = 86'400;
constexpr std::uint64_t kLongRecordSeconds = 120;  // Longer ones tell a capture interval of 600 s.
constexpr std::uint64_t kEndMax = std::uint64_t{1} << 62;
/// Combinations remembered; more than these start afresh, as the ids that they are made of do.
constexpr std::size_t kSeriesRemembered = 1u << 18;
constexpr std::size_t kPacketsRemembered = 1u << 18;
constexpr std::size_t kRecordsRemembered = 1u << 16;
/// Records that hardly ever come again, as those of a scan, are not worth remembering: below so many
/// asked for one remembered, none is, for a while.
constexpr std::uint64_t kRecordsAskedMin = 4;
constexpr std::uint64_t kRecordsUnasked = 1u << 22;
/// Captures are fetched so many at a time: two or three cache lines each, of which a core fetches
/// some dozen at once.
constexpr std::uint32_t kCapturesAtOnce = 16;

proto::FlowStatus status_of(parsers::LogStatus status) {
  switch (status) {
    case parsers::LogStatus::kOk:
      return proto::FLOW_OK;
    case parsers::LogStatus::kNoData:
      return proto::FLOW_NODATA;
    case parsers::LogStatus::kSkipData:
      return proto::FLOW_SKIPDATA;
  }
  return proto::FLOW_OK;
}

proto::FlowAction action_of(parsers::Action action) {
  switch (action) {
    case parsers::Action::kNone:
      return proto::ACTION_NONE;
    case parsers::Action::kAccept:
      return proto::ACTION_ACCEPT;
    case parsers::Action::kReject:
      return proto::ACTION_REJECT;
  }
  return proto::ACTION_NONE;
}

std::int64_t end_of(std::uint64_t end) noexcept {
  return static_cast<std::int64_t>(std::min(end, kEndMax));
}

/// Records of `word` that the batch has and that count in a window: their start places them. Of a layout
/// without bytes only those that have none by nature, NODATA and SKIPDATA.
std::uint64_t windowed_of(const FlowColumns& flows, const FlowRecordColumns& columns,
                          std::uint32_t word, std::uint64_t all) noexcept {
  const std::uint64_t starts = columns.start.bits(word) & all;
  if (columns.bytes.exists()) return starts;
  std::uint64_t windowed = 0;
  for (std::uint64_t rest = starts; rest != 0; rest &= rest - 1) {
    const auto record = word * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
    if (flows.status[record] != parsers::LogStatus::kOk) windowed |= rest & (0 - rest);
  }
  return windowed;
}

/// Both ends of a hop differ from those of its packets, where both are known.
bool is_translated(const FlowColumn<IpAddress>& hop, const FlowColumn<IpAddress>& packet,
                   std::uint32_t record) noexcept {
  return hop.present(record) && packet.present(record) && hop[record] != packet[record];
}

/// Whose end a packet's is: nobody said, the hop's, which is of IPv4, or another's.
enum class PacketEnd : std::uint8_t { kAbsent, kAsHop, kOther };

PacketEnd packet_end(const FlowColumn<IpAddress>& packet, std::uint32_t record,
                     const IpAddress& hop) noexcept {
  if (!packet.exists()) return PacketEnd::kAbsent;
  if (packet[record] == hop) return PacketEnd::kAsHop;
  return packet.present(record) ? PacketEnd::kOther : PacketEnd::kAbsent;
}

bool is_long_text(const FlowColumn<std::string_view>& column, std::uint32_t record) noexcept {
  return column.present(record) && column[record].size() > kFlowTextBytesMax;
}

constexpr WordTable<2>::Key kNoKey{~std::uint64_t{0}, ~std::uint64_t{0}};
/// In place of Attribution::known_v4(), which has another bit 33.
constexpr std::uint64_t kAbsentAddress = std::uint64_t{1} << 33;

/// The bits of a record that need no look-up. What the key of a series is made of has to say all
/// that attribute_flow() looks at.
struct KeyBits {
  std::uint64_t status = 0, action = 0, traffic_path = 0;
  std::uint64_t side = 0;  ///< FlowSide; of NAT gateways the direction as the record says it.
  std::uint64_t own = 0,
                translated = 0;  ///< Of NAT gateways: two bits each, source and destination.

  [[nodiscard]] std::uint64_t packed() const noexcept {
    return status | action << 2 | side << 4 | own << 6 | translated << 8 | traffic_path << 10;
  }
  static constexpr int kBits = 18;
};
constexpr int kPacketBits = 22;
static_assert(kPacketsRemembered + 4096 < std::size_t{1} << kPacketBits);

}  // namespace

void FlowFolder::forget() {
  packets_.clear();
  services_.clear();
  series_.clear();
  records_.clear();
  records_asked_ = 0;
}

FoldCounts FlowFolder::fold(const FlowColumns& flows, std::uint64_t start_max_s) {
  const FlowRecordColumns columns(flows);
  FoldCounts counts;
  const std::uint64_t over_limit = sums_.over_limit();
  other_ = strings_.intern("other");
  texts_ = {};
  find_layout(flows, columns);
  has_ends_ = columns.source.exists() && columns.destination.exists();
  has_packets_ = columns.packet_source.exists() || columns.packet_destination.exists() ||
                 columns.source_service.exists() || columns.destination_service.exists() ||
                 columns.traffic_path.exists();
  for (std::uint32_t begin = 0; begin < flows.size; begin += kBlock) {
    const bool is_large =
        series_.size() > kSeriesRemembered || packets_.size() > kPacketsRemembered;
    if (attribution_.shrink() || is_large) forget();
    if (records_.size() > kRecordsRemembered) forget_records();
    const std::uint32_t end = std::min(begin + kBlock, flows.size);
    select(flows, columns, begin, end, start_max_s, counts);
    find_epochs();
    block_.long_text.reset();
    find_captures(columns);
    find_series(flows, columns);
    counts.long_text += block_.long_text.count();
    add_block(flows, columns);
  }
  counts.over_limit = sums_.over_limit() - over_limit;
  return counts;
}

void FlowFolder::select(const FlowColumns& flows, const FlowRecordColumns& columns,
                        std::uint32_t begin, std::uint32_t end, std::uint64_t start_max_s,
                        FoldCounts& counts) {
  std::uint32_t size = 0;
  std::uint64_t latest_s = 0;
  for (std::uint32_t first = begin; first < end; first += 64) {
    const std::uint32_t count = std::min(end - first, 64u);
    const std::uint64_t all = ~std::uint64_t{0} >> (64 - count);
    const std::uint64_t windowed = windowed_of(flows, columns, first / 64, all);
    for (std::uint64_t rest = windowed; rest != 0; rest &= rest - 1) {
      const std::uint32_t record = first + static_cast<std::uint32_t>(std::countr_zero(rest));
      const std::uint64_t start_s = columns.start[record];
      const bool is_future = start_s > start_max_s;
      counts.future += is_future ? 1 : 0;
      block_.records[size] = record;
      block_.starts[size] = start_s;
      size += is_future ? 0 : 1;
      latest_s = std::max(latest_s, is_future ? 0 : start_s);
    }
  }
  block_.size = size;
  counts.folded += size;
  counts.latest_s = std::max(counts.latest_s, static_cast<std::int64_t>(latest_s));
}

void FlowFolder::find_epochs() {
  if (!attribution_.has_epochs()) {
    block_.epochs.fill(0);
    return;
  }
  for (std::uint32_t i = 0; i < block_.size; ++i)
    block_.epochs[i] = attribution_.epoch(static_cast<std::int64_t>(block_.starts[i]));
}

/// Which texts follow each other is seen at any line: fields one space apart are of neighbouring
/// columns. Without lines, in Parquet, each is by itself.
void FlowFolder::find_layout(const FlowColumns& flows, const FlowRecordColumns& columns) {
  layout_ = {};
  for (std::uint8_t field = 0; field < CaptureTexts::kCount; ++field) {
    if (columns.texts[field].exists()) layout_.fields[layout_.count++] = field;
  }
  const auto fields = std::span(layout_.fields).first(layout_.count);
  if (flows.size == 0) return;
  const bool has_lines = flows.line_bytes[0] > 0;
  const auto text = [&](std::uint8_t field) { return columns.texts[field][0]; };
  if (has_lines)
    std::ranges::sort(fields, {}, [&](std::uint8_t field) { return text(field).data(); });
  constexpr int kFieldBits = 4;
  static_assert(CaptureTexts::kCount <= 1 << kFieldBits &&
                CaptureTexts::kCount * (kFieldBits + 1) < 64);
  std::uint64_t order = 1;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const bool is_new =
        i == 0 || !has_lines || text(fields[i]).data() != text(fields[i - 1]).end() + 1;
    order = (order << 1 | std::uint64_t{is_new}) << kFieldBits | fields[i];
    if (is_new) layout_.pieces[layout_.pieces_count++].first = fields[i];
    layout_.pieces[layout_.pieces_count - 1u].second = fields[i];
  }
  layout_.order = order;
}

void FlowFolder::read_run(const FlowRecordColumns& columns, std::uint32_t record,
                          CaptureRun& run) const {
  run.count = layout_.pieces_count;
  for (std::uint32_t piece = 0; piece < run.count; ++piece) {
    const auto [first, last] = layout_.pieces[piece];
    run.pieces[piece] = {columns.texts[first][record].data(), columns.texts[last][record].end()};
  }
  run.order = layout_.order;
}

/// A run that holds a long text has no room in a capture, so each of its records comes here.
void FlowFolder::read_texts(const FlowRecordColumns& columns, std::uint32_t i) {
  const std::uint32_t record = block_.records[i];
  texts_.present = 0;
  for (std::size_t at = 0; at < layout_.count; ++at) {
    const FlowColumn<std::string_view>& column = columns.texts[layout_.fields[at]];
    const bool is_long = is_long_text(column, record);
    if (is_long) block_.long_text.set(i);
    const bool is_present = column.present(record) && !is_long;
    texts_.set(layout_.fields[at], is_present ? column[record] : std::string_view(), is_present);
  }
}

void FlowFolder::find_captures(const FlowRecordColumns& columns) {
  const FlowColumn<std::string_view>& interfaces = columns.texts[CaptureTexts::kInterface];
  for (std::uint32_t first = 0; first < block_.size; first += kCapturesAtOnce) {
    const std::uint32_t end = std::min(first + kCapturesAtOnce, block_.size);
    for (std::uint32_t i = first; i < end; ++i) {
      const std::uint32_t recent = interfaces.exists()
                                       ? attribution_.recent_capture(interfaces[block_.records[i]])
                                       : Attribution::kNoCapture;
      block_.captures[i] = recent;
      if (recent != Attribution::kNoCapture) attribution_.prefetch_capture(recent);
    }
    CaptureRun run;
    for (std::uint32_t i = first; i < end; ++i) {
      read_run(columns, block_.records[i], run);
      const std::uint32_t recent = block_.captures[i];
      const bool is_run =
          recent != Attribution::kNoCapture && attribution_.is_run(recent, run, block_.epochs[i]);
      if (!is_run) block_.captures[i] = find_capture(columns, i, run);
    }
  }
}

std::uint32_t FlowFolder::find_capture(const FlowRecordColumns& columns, std::uint32_t i,
                                       const CaptureRun& run) {
  read_texts(columns, i);
  const std::uint32_t capture =
      attribution_.capture(texts_, static_cast<std::int64_t>(block_.starts[i]), block_.epochs[i]);
  attribution_.note_run(capture, texts_, run);
  return capture;
}

void FlowFolder::forget_records() {
  if (records_asked_ < kRecordsAskedMin * records_.size()) records_unasked_ = kRecordsUnasked;
  records_.clear();
  records_asked_ = 0;
}

void FlowFolder::find_series(const FlowColumns& flows, const FlowRecordColumns& columns) {
  new_.size = 0;
  if (records_unasked_ == 0) {
    find_remembered(flows, columns);
  } else {
    records_unasked_ -= std::min<std::uint64_t>(records_unasked_, block_.size);
    for (std::uint32_t i = 0; i < block_.size; ++i) {
      block_.keys[i] = kNoKey;
      new_.entries[new_.size++] = i;
    }
  }
  if (new_.size > 0) find_new(flows, columns);
}

/// All that a record's series depends on, before anything is looked up. Not of IPv6, nor where the
/// packet's ends are others than the hop's, nor of a service without a number: kNoKey. `kHasPackets`
/// is has_packets_, asked once a block.
template <bool kHasPackets>
FlowFolder::Key FlowFolder::record_key(const FlowColumns& flows, const FlowRecordColumns& columns,
                                       std::uint32_t i) {
  using parsers::Direction;
  const std::uint32_t record = block_.records[i];
  const std::uint32_t capture = block_.captures[i];
  const Direction direction = flows.direction[record];
  std::uint64_t bits = static_cast<std::uint64_t>(flows.status[record]) |
                       static_cast<std::uint64_t>(flows.action[record]) << 2 |
                       static_cast<std::uint64_t>(direction) << 4;
  if constexpr (kHasPackets) bits |= (columns.traffic_path.or_zero(record) & 0xff) << 8;
  std::uint64_t from = kAbsentAddress, to = kAbsentAddress;  // Unless there are both.
  if (has_ends_ && columns.source[record].is_v4() && columns.destination[record].is_v4())
      [[likely]] {
    const IpAddress& source = columns.source[record];
    const IpAddress& destination = columns.destination[record];
    if constexpr (kHasPackets) {
      const PacketEnd packet_source = packet_end(columns.packet_source, record, source);
      const PacketEnd packet_destination =
          packet_end(columns.packet_destination, record, destination);
      const std::uint64_t of_source = service_number(columns.source_service, record);
      const std::uint64_t of_destination = service_number(columns.destination_service, record);
      if (packet_source == PacketEnd::kOther || packet_destination == PacketEnd::kOther ||
          of_source == ServiceNames::kMany || of_destination == ServiceNames::kMany)
        return kNoKey;
      bits |= static_cast<std::uint64_t>(packet_source) << 6 |
              static_cast<std::uint64_t>(packet_destination) << 7 |
              (of_source << ServiceNames::kBits | of_destination) << 20;
    }
    // Which side is the own one is not known yet, but by the direction; a plain address is nobody's.
    const unsigned hidden = attribution_.hidden_texts(capture);
    const bool both_plain = attribution_.is_plain(source) & attribution_.is_plain(destination);
    const unsigned of_any =
        Attribution::kOfOwn |
        Attribution::kOfBoth * (both_plain & (direction == Direction::kUnknown));
    const auto known = [&](const IpAddress& address, Direction as_peer) {
      const unsigned of_this = of_any | Attribution::kOfPeer * (direction == as_peer);
      return attribution_.known_v4(address, (hidden & of_this) != 0);
    };
    from = known(source, Direction::kIngress);
    to = known(destination, Direction::kEgress);
  } else if (columns.source.present(record) && columns.destination.present(record)) {
    return kNoKey;
  }
  bits |= (from >> 32) << 16 | (to >> 32) << 18;
  return {std::uint64_t{capture} << (20 + 2 * ServiceNames::kBits) | bits,
          from << 32 | (to & 0xffffffff)};
}

std::uint32_t FlowFolder::service_number(const FlowColumn<std::string_view>& column,
                                         std::uint32_t record) {
  return column.present(record) ? services_.number(column[record], strings_) : ServiceNames::kNone;
}

template <bool kHasPackets>
void FlowFolder::find_keys(const FlowColumns& flows, const FlowRecordColumns& columns) {
  for (std::uint32_t i = 0; i < block_.size; ++i) {
    const Key key = record_key<kHasPackets>(flows, columns, i);
    const std::uint64_t hash = WordTable<2>::hash(key);
    block_.keys[i] = key;
    block_.hashes[i] = hash;
    records_.prefetch(hash);
  }
}

void FlowFolder::find_remembered(const FlowColumns& flows, const FlowRecordColumns& columns) {
  if (has_packets_) {
    find_keys<true>(flows, columns);
  } else {
    find_keys<false>(flows, columns);
  }
  for (std::uint32_t i = 0; i < block_.size; ++i) {
    block_.series[i] = records_.find(block_.keys[i], block_.hashes[i]);
    if (block_.series[i] == WordTable<2>::kNone) new_.entries[new_.size++] = i;
  }
  records_asked_ += block_.size;
}

/// Of records that are not remembered: the look-ups, one kind after the other.
void FlowFolder::find_new(const FlowColumns& flows, const FlowRecordColumns& columns) {
  for (std::uint32_t n = 0; n < new_.size; ++n) {
    const std::uint32_t i = new_.entries[n];
    const std::uint32_t record = block_.records[i];
    attribution_.find_ends(block_.captures[i], columns.source.find(record),
                           columns.destination.find(record),
                           static_cast<std::int64_t>(block_.starts[i]), new_.ends[n]);
  }
  for (std::uint32_t n = 0; n < new_.size; ++n) {
    new_.keys[n] = series_key(flows, columns, n);
    new_.hashes[n] = WordTable<2>::hash(new_.keys[n]);
    series_.prefetch(new_.hashes[n]);
  }
  unknown_.size = 0;
  for (std::uint32_t n = 0; n < new_.size; ++n) {
    std::uint32_t& series = block_.series[new_.entries[n]];
    series = series_.find(new_.keys[n], new_.hashes[n]);
    if (series == WordTable<2>::kNone) unknown_.entries[unknown_.size++] = n;
  }
  make_series(flows, columns);
  for (std::uint32_t n = 0; n < new_.size; ++n) {
    const std::uint32_t i = new_.entries[n];
    const Key& key = block_.keys[i];
    if (key != kNoKey && records_.find(key, block_.hashes[i]) == WordTable<2>::kNone)
      records_.insert(key, block_.series[i]);
  }
}

/// `n`: index in New, here and below.
FlowFolder::Key FlowFolder::series_key(const FlowColumns& flows, const FlowRecordColumns& columns,
                                       std::uint32_t n) {
  const std::uint32_t record = block_.records[new_.entries[n]];
  const std::uint32_t capture = block_.captures[new_.entries[n]];
  const Attribution::Ends& both = new_.ends[n];
  KeyBits bits;
  bits.status = static_cast<std::uint64_t>(flows.status[record]);
  bits.action = static_cast<std::uint64_t>(flows.action[record]);
  bits.traffic_path = static_cast<std::uint8_t>(columns.traffic_path.or_zero(record));
  std::uint64_t ends = 0;
  std::uint64_t packet_id = 0;
  if (both.source == Attribution::kAbsent || both.destination == Attribution::kAbsent) {
    // Nothing more is looked at.
  } else if (attribution_.is_nat(capture)) {
    bits.side = static_cast<std::uint64_t>(flows.direction[record]);
    bits.own = std::uint64_t{both.source_is_own} | std::uint64_t{both.destination_is_own} << 1;
    bits.translated =
        std::uint64_t{is_translated(columns.source, columns.packet_source, record)} |
        std::uint64_t{is_translated(columns.destination, columns.packet_destination, record)} << 1;
    ends = std::uint64_t{both.source} << 32 | both.destination;
    if (has_packets_) packet_id = find_packet(packet_of(columns, n));
  } else {
    // Of the peer only what is known of it beside its address counts, of the own side too where its
    // text is hidden.
    const Attribution::Peer source = attribution_.as_peer(both.source);
    const Attribution::Peer destination = attribution_.as_peer(both.destination);
    FlowSide side = own_side(flows.direction[record], both.source_is_own, both.destination_is_own,
                             source.is_inside(), destination.is_inside());
    if ((source.has_interface() || destination.has_interface()) && side == FlowSide::kUnknown)
      side = side_beside_other(attribution_.capture_facts(capture),
                               attribution_.address_facts(both.source),
                               attribution_.address_facts(both.destination));
    const bool is_source = side != FlowSide::kDestination;
    bits.side = static_cast<std::uint64_t>(side);
    const std::uint32_t own = is_source ? both.source : both.destination;
    const bool is_hidden =
        (attribution_.hidden_texts(capture) &
         (side == FlowSide::kUnknown ? Attribution::kOfBoth : Attribution::kOfOwn)) != 0;
    ends = std::uint64_t{is_hidden ? attribution_.as_peer(own).id() : own} << 32 |
           (is_source ? destination : source).id();
    if (has_packets_) {
      const Packet packet = packet_of(columns, n);
      packet_id =
          find_packet({attribution_.as_peer(is_source ? packet.destination : packet.source).id(), 0,
                       is_source ? packet.destination_service : packet.source_service, 0});
    }
  }
  return {std::uint64_t{capture} << (kPacketBits + KeyBits::kBits) | packet_id << KeyBits::kBits |
              bits.packed(),
          ends};
}

FlowFolder::Packet FlowFolder::packet_of(const FlowRecordColumns& columns, std::uint32_t n) {
  const std::uint32_t i = new_.entries[n];
  const std::uint32_t record = block_.records[i];
  const Attribution::Ends& ends = new_.ends[n];
  Packet packet;
  if (ends.source == Attribution::kAbsent || ends.destination == Attribution::kAbsent)
    return packet;  // Nothing more is looked at.
  // Without a gateway on the way it is the hop's.
  const auto address = [&](const FlowColumn<IpAddress>& column, const FlowColumn<IpAddress>& hop,
                           std::uint32_t of_hop) {
    if (!column.present(record)) return Attribution::kAbsent;
    if (hop.present(record) && column[record] == hop[record]) return of_hop;
    return attribution_.address(block_.captures[i], column[record],
                                static_cast<std::int64_t>(block_.starts[i]));
  };
  const auto service = [&](const FlowColumn<std::string_view>& column) {
    const std::uint32_t number = service_number(column, record);
    if (number != ServiceNames::kMany) return services_.id(number);
    if (!is_long_text(column, record)) return strings_.intern(column[record]);
    block_.long_text.set(i);
    return 0u;
  };
  packet.source = address(columns.packet_source, columns.source, ends.source);
  packet.destination = address(columns.packet_destination, columns.destination, ends.destination);
  packet.source_service = service(columns.source_service);
  packet.destination_service = service(columns.destination_service);
  return packet;
}

/// 0 for an empty one.
std::uint32_t FlowFolder::find_packet(const Packet& packet) {
  if (packet.empty()) return 0;
  const WordTable<2>::Key key{
      std::uint64_t{packet.source} << 32 | packet.destination,
      std::uint64_t{packet.source_service} << 32 | packet.destination_service};
  const std::uint64_t hash = WordTable<2>::hash(key);
  const std::uint32_t found = packets_.find(key, hash);
  if (found != WordTable<2>::kNone) return found;
  const auto id = static_cast<std::uint32_t>(packets_.size() + 1);
  packets_.insert(key, id);
  return id;
}

void FlowFolder::make_series(const FlowColumns& flows, const FlowRecordColumns& columns) {
  for (std::uint32_t u = 0; u < unknown_.size; ++u) {
    unknown_.keys[u] = attribute(flows, columns, unknown_.entries[u]);
    unknown_.hashes[u] = FlowSums::hash(unknown_.keys[u]);
    sums_.prefetch_series(unknown_.hashes[u]);
  }
  for (std::uint32_t u = 0; u < unknown_.size; ++u) {
    const std::uint32_t n = unknown_.entries[u];
    std::uint32_t& series = block_.series[new_.entries[n]];
    series = series_.find(new_.keys[n], new_.hashes[n]);  // Made by an entry before?
    if (series != WordTable<2>::kNone) continue;
    series = sums_.series(unknown_.keys[u], unknown_.hashes[u]);
    series_.insert(new_.keys[n], series);
  }
}

FlowKey FlowFolder::attribute(const FlowColumns& flows, const FlowRecordColumns& columns,
                              std::uint32_t n) {
  const std::uint32_t i = new_.entries[n];
  const std::uint32_t record = block_.records[i];
  const CaptureFacts& capture = attribution_.capture_facts(block_.captures[i]);
  const Packet packet = packet_of(columns, n);
  const auto facts_of = [this](std::uint32_t address) {
    return address == Attribution::kAbsent ? nullptr : &attribution_.address_facts(address);
  };
  RecordFacts facts;
  facts.direction = flows.direction[record];
  facts.source = facts_of(new_.ends[n].source);
  facts.destination = facts_of(new_.ends[n].destination);
  facts.packet_source = facts_of(packet.source);
  facts.packet_destination = facts_of(packet.destination);
  facts.source_is_own = new_.ends[n].source_is_own;
  facts.destination_is_own = new_.ends[n].destination_is_own;
  facts.source_translated = is_translated(columns.source, columns.packet_source, record);
  facts.destination_translated =
      is_translated(columns.destination, columns.packet_destination, record);
  facts.source_service = packet.source_service;
  facts.destination_service = packet.destination_service;
  const FlowAttribution a = attribute_flow(capture, facts);
  return {.environment = capture.environment,
          .interface = capture.interface,
          .interface_az = capture.az,
          .owner = a.owner,
          .owner_az = a.owner_az,
          .peer_owner = a.peer_owner,
          .peer_az = a.peer_az,
          .peer_service = a.peer_service,
          .peer_region = a.peer_region,
          .peer_interface = a.peer_interface,
          .status = static_cast<std::uint8_t>(status_of(flows.status[record])),
          .action = static_cast<std::uint8_t>(action_of(flows.action[record])),
          .direction = static_cast<std::uint8_t>(a.direction),
          .path_class = static_cast<std::uint8_t>(a.path_class),
          .nat_leg = static_cast<std::uint8_t>(a.nat_leg),
          .role = static_cast<std::uint8_t>(capture.role),
          .peer_role = static_cast<std::uint8_t>(a.peer_role),
          .traffic_path = static_cast<std::uint8_t>(columns.traffic_path.or_zero(record))};
}

void FlowFolder::add_block(const FlowColumns& flows, const FlowRecordColumns& columns) {
  for (std::uint32_t i = 0; i < block_.size; ++i) sums_.prefetch(block_.series[i]);
  for (std::uint32_t i = 0; i < block_.size; ++i) {
    const auto minute = static_cast<std::uint32_t>(block_.starts[i] / 60);
    block_.rows[i] = sums_.row(block_.series[i], minute, other_);
    sums_.prefetch_row(block_.rows[i]);
  }
  // Of our own, so that what is written to a row need not be read again.
  const auto ends = columns.end, all_bytes = columns.bytes, all_packets = columns.packets;
  std::uint64_t day_end = 0;  // Of the record before.
  for (std::uint32_t i = 0; i < block_.size; ++i) {
    const std::uint32_t record = block_.records[i];
    const std::uint64_t start = block_.starts[i];
    const std::uint64_t end = ends.or_zero(record);
    if (start - (day_end - kDay) >= kDay) day_end = (start / kDay + 1) * kDay;
    FlowSums::Row& row = sums_.at(block_.rows[i]);
    row.records += 1;
    row.long_records += end > start + kLongRecordSeconds ? 1 : 0;
    row.line_bytes += flows.line_bytes[record];
    row.unsized_records += flows.line_bytes[record] == 0 ? 1 : 0;
    row.latest_second = std::max(row.latest_second,
                                 static_cast<std::uint8_t>(start - std::uint64_t{row.minute} * 60));
    if (end > day_end && crosses_month(static_cast<std::int64_t>(start), end_of(end)))
        [[unlikely]] {
      add_parts(columns, i, end_of(end));
      continue;
    }
    const std::uint64_t bytes = all_bytes.or_zero(record), packets = all_packets.or_zero(record);
    add_capped(row.bytes, bytes);
    add_capped(row.packets, packets);
    if (bytes == 0 || packets == 0) [[unlikely]] {
      row.without_bytes += all_bytes.present(record) ? 0 : 1;
      row.without_packets += all_packets.present(record) ? 0 : 1;
    }
  }
}

/// The record is counted where it starts; what falls into the next month is a row without records.
void FlowFolder::add_parts(const FlowRecordColumns& columns, std::uint32_t i, std::int64_t end_s) {
  const auto start_s = static_cast<std::int64_t>(block_.starts[i]);
  const std::uint64_t bytes = columns.bytes.or_zero(block_.records[i]);
  const std::uint64_t packets = columns.packets.or_zero(block_.records[i]);
  const std::uint64_t bytes_before = share_before_month(start_s, end_s, bytes);
  const std::uint64_t packets_before = share_before_month(start_s, end_s, packets);
  FlowSums::Row& row = sums_.at(block_.rows[i]);
  add_capped(row.bytes, bytes_before);
  add_capped(row.packets, packets_before);
  row.without_bytes += columns.bytes.present(block_.records[i]) ? 0 : 1;
  row.without_packets += columns.packets.present(block_.records[i]) ? 0 : 1;
  const auto minute = static_cast<std::uint32_t>(start_s / 60);
  FlowSums::Row& rest = sums_.at(sums_.rest_row(block_.series[i], minute, other_));
  add_capped(rest.bytes, bytes - bytes_before);
  add_capped(rest.packets, packets - packets_before);
}

}  // namespace fleetmeter::aggregator
