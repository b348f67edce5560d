#include "parsers/thrift_compact.h"

namespace fleetmeter::parsers {
namespace {

constexpr int kDepthMax = 16;

std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

}  // namespace

std::uint8_t ThriftReader::byte() noexcept {
  if (at_ != end_) return static_cast<std::uint8_t>(*at_++);
  fail(State::kCut);
  return 0;
}

std::uint64_t ThriftReader::varint() noexcept {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t next = byte();
    value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
    if (next < 0x80) return good() ? value : 0;
  }
  fail(State::kBad);
  return 0;
}

std::string_view ThriftReader::bytes(std::uint64_t count) noexcept {
  if (count > static_cast<std::uint64_t>(end_ - at_)) {
    fail(State::kCut);
    return {};
  }
  const std::string_view view{at_, static_cast<std::size_t>(count)};
  at_ += count;
  return view;
}

bool ThriftReader::next(ThriftField& field) noexcept {
  const std::uint8_t header = byte();
  field.type = static_cast<ThriftType>(header & 0x0f);
  if (!good() || field.type == ThriftType::kStop) return false;
  if (field.type > ThriftType::kUuid) {
    fail(State::kBad);
    return false;
  }
  const int delta = header >> 4;
  const std::int64_t id = delta != 0 ? field.id + delta : unzigzag(varint());
  if (id < 0 || id > 0x7fff) fail(State::kBad);
  field.id = static_cast<int>(id);
  return good();
}

std::int64_t ThriftReader::number(const ThriftField& field) noexcept {
  switch (field.type) {
    case ThriftType::kByte:
      return static_cast<std::int8_t>(byte());
    case ThriftType::kI16:
    case ThriftType::kI32:
    case ThriftType::kI64:
      return unzigzag(varint());
    default:
      fail(State::kBad);
      return 0;
  }
}

bool ThriftReader::boolean(const ThriftField& field) noexcept {
  if (field.type != ThriftType::kTrue && field.type != ThriftType::kFalse) fail(State::kBad);
  return field.type == ThriftType::kTrue;
}

std::string_view ThriftReader::binary(const ThriftField& field) noexcept {
  if (field.type == ThriftType::kBinary) return bytes(varint());
  fail(State::kBad);
  return {};
}

std::size_t ThriftReader::list(const ThriftField& field, ThriftType element) noexcept {
  if (field.type != ThriftType::kList) {
    fail(State::kBad);
    return 0;
  }
  const std::uint8_t header = byte();
  const std::uint64_t count = (header >> 4) == 15 ? varint() : header >> 4;
  if (count > 0 && static_cast<ThriftType>(header & 0x0f) != element) fail(State::kBad);
  // An element takes a byte at least.
  if (count > static_cast<std::uint64_t>(end_ - at_)) fail(State::kCut);
  return good() ? static_cast<std::size_t>(count) : 0;
}

std::int64_t ThriftReader::list_number() noexcept { return unzigzag(varint()); }

bool ThriftReader::enter(const ThriftField& field) noexcept {
  if (field.type != ThriftType::kStruct) fail(State::kBad);
  return good();
}

void ThriftReader::skip_elements(ThriftType element, std::uint64_t count, int depth) noexcept {
  // Where an element is a boolean it has a byte, which a field has not.
  if (element == ThriftType::kTrue || element == ThriftType::kFalse) element = ThriftType::kByte;
  if (count > static_cast<std::uint64_t>(end_ - at_)) fail(State::kCut);
  for (std::uint64_t i = 0; i < count && good(); ++i) skip(element, depth);
}

void ThriftReader::skip(ThriftType type, int depth) noexcept {
  if (depth > kDepthMax) return fail(State::kBad);
  switch (type) {
    case ThriftType::kStop:
      return fail(State::kBad);
    case ThriftType::kTrue:
    case ThriftType::kFalse:
      return;
    case ThriftType::kByte:
      (void)byte();
      return;
    case ThriftType::kI16:
    case ThriftType::kI32:
    case ThriftType::kI64:
      (void)varint();
      return;
    case ThriftType::kDouble:
      (void)bytes(8);
      return;
    case ThriftType::kUuid:
      (void)bytes(16);
      return;
    case ThriftType::kBinary:
      (void)bytes(varint());
      return;
    case ThriftType::kList:
    case ThriftType::kSet: {
      const std::uint8_t header = byte();
      const std::uint64_t count = (header >> 4) == 15 ? varint() : header >> 4;
      return skip_elements(static_cast<ThriftType>(header & 0x0f), count, depth + 1);
    }
    case ThriftType::kMap: {
      const std::uint64_t count = varint();
      if (count == 0) return;
      const std::uint8_t types = byte();
      if (count > static_cast<std::uint64_t>(end_ - at_)) return fail(State::kCut);
      for (std::uint64_t i = 0; i < count && good(); ++i) {
        skip_elements(static_cast<ThriftType>(types >> 4), 1, depth + 1);
        skip_elements(static_cast<ThriftType>(types & 0x0f), 1, depth + 1);
      }
      return;
    }
    case ThriftType::kStruct:
      for (ThriftField field; next(field);) skip(field.type, depth + 1);
      return;
  }
  fail(State::kBad);
}

}  // namespace fleetmeter::parsers
