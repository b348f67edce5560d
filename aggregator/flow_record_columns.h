#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "aggregator/attribution.h"
#include "parsers/flow_columns.h"

namespace fleetmeter::aggregator {

/// One column of a batch with its presence bits; all absent when the layout lacks the field.
template <typename T>
class FlowColumn {
 public:
  FlowColumn(std::span<const T> values, const parsers::FlowColumns& flows, parsers::FlowField field)
      : values_(values), bits_(flows.presence[static_cast<std::size_t>(field)].data()) {}
  /// Whether the layout has it.
  [[nodiscard]] bool exists() const noexcept { return !values_.empty(); }
  [[nodiscard]] bool present(std::uint32_t record) const noexcept {
    return exists() && ((bits_[record / 64] >> (record % 64)) & 1) != 0;
  }
  /// Presence of the 64 records from 64 * `word` on; bits behind the last record say nothing.
  [[nodiscard]] std::uint64_t bits(std::uint32_t word) const noexcept {
    return exists() ? bits_[word] : 0;
  }
  /// Of an absent one what FlowColumns says of such; the layout has the field.
  [[nodiscard]] const T& operator[](std::uint32_t record) const noexcept { return values_[record]; }
  /// Null when absent.
  [[nodiscard]] const T* find(std::uint32_t record) const noexcept {
    return present(record) ? &values_[record] : nullptr;
  }
  /// Of numbers: 0 when absent, since that is what such hold.
  [[nodiscard]] T or_zero(std::uint32_t record) const noexcept {
    return exists() ? values_[record] : T{};
  }

 private:
  std::span<const T> values_;
  const std::uint64_t* bits_;
};

/// The columns that attribution and sums look at; views, good as long as the batch.
struct FlowRecordColumns {
  explicit FlowRecordColumns(const parsers::FlowColumns& f)
      : texts{text(f, Field::kInterfaceId),  text(f, Field::kResourceId),
              text(f, Field::kAccountId),    text(f, Field::kVpcId),
              text(f, Field::kSubnetId),     text(f, Field::kInstanceId),
              text(f, Field::kRegion),       text(f, Field::kAzId),
              text(f, Field::kInterfaceType)},
        source_service(text(f, Field::kPktSrcAwsService)),
        destination_service(text(f, Field::kPktDstAwsService)),
        source(address(f, Field::kSrcaddr)),
        destination(address(f, Field::kDstaddr)),
        packet_source(address(f, Field::kPktSrcaddr)),
        packet_destination(address(f, Field::kPktDstaddr)),
        packets(number(f, Field::kPackets)),
        bytes(number(f, Field::kBytes)),
        start(number(f, Field::kStart)),
        end(number(f, Field::kEnd)),
        traffic_path(number(f, Field::kTrafficPath)) {}

  FlowColumn<std::string_view> texts[CaptureTexts::kCount];
  FlowColumn<std::string_view> source_service, destination_service;
  FlowColumn<parsers::IpAddress> source, destination, packet_source, packet_destination;
  FlowColumn<std::uint64_t> packets, bytes, start, end, traffic_path;

 private:
  using Field = parsers::FlowField;
  static FlowColumn<std::string_view> text(const parsers::FlowColumns& f, Field field) {
    return {f.texts(field), f, field};
  }
  static FlowColumn<std::uint64_t> number(const parsers::FlowColumns& f, Field field) {
    return {f.numbers(field), f, field};
  }
  static FlowColumn<parsers::IpAddress> address(const parsers::FlowColumns& f, Field field) {
    return {f.addresses(field), f, field};
  }
};

}  // namespace fleetmeter::aggregator
