#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace fleetmeter::parsers {

/// Walks the fields of one protobuf message. A field with wire type 3, 4, 6 or 7, or one that runs
/// past the message, ends the walk with ok() false. Rule: Protocol Buffers, "Encoding".
class WireReader {
 public:
  explicit WireReader(std::string_view message) noexcept
      : at_(message.data()), end_(message.data() + message.size()) {}

  /// Moves to the next field; false at the end or when the wire is broken.
  bool next() noexcept {
    if (at_ == end_) return false;
    std::uint64_t tag = 0;
    if (!read_varint(tag)) return fail();
    field_ = static_cast<std::uint32_t>(tag >> 3);
    type_ = static_cast<std::uint32_t>(tag & 7);
    switch (type_) {
      case kVarint:
        return read_varint(number_) || fail();
      case kFixed64:
        return take_fixed(8) || fail();
      case kLength:
        return take_length() || fail();
      case kFixed32:
        return take_fixed(4) || fail();
      default:
        return fail();
    }
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// The field's number when it has the wire type asked for, so that a switch tests both at once;
  /// else 0.
  [[nodiscard]] std::uint32_t message_field() const noexcept {
    return type_ == kLength ? field_ : 0;
  }
  [[nodiscard]] std::uint32_t fixed64_field() const noexcept {
    return type_ == kFixed64 ? field_ : 0;
  }
  [[nodiscard]] bool is_fixed64() const noexcept { return type_ == kFixed64; }
  [[nodiscard]] std::string_view bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] double real() const noexcept { return std::bit_cast<double>(number_); }

 private:
  enum : std::uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

  bool fail() noexcept {
    ok_ = false;
    at_ = end_;
    return false;
  }

  bool read_varint(std::uint64_t& value) noexcept {
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) {
      value = static_cast<unsigned char>(*at_++);
      return true;
    }
    value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at_ == end_) return false;
      const auto byte = static_cast<unsigned char>(*at_++);
      if (shift == 63 && byte > 1) return false;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool take_fixed(std::size_t width) noexcept {
    if (static_cast<std::size_t>(end_ - at_) < width) return false;
    number_ = 0;
    std::memcpy(&number_, at_, width);
    at_ += width;
    return true;
  }

  bool take_length() noexcept {
    std::uint64_t length = 0;
    if (!read_varint(length) || length > static_cast<std::uint64_t>(end_ - at_)) return false;
    bytes_ = {at_, static_cast<std::size_t>(length)};
    at_ += length;
    return true;
  }

  const char* at_;
  const char* end_;
  std::uint32_t field_ = 0;
  std::uint32_t type_ = 0;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace fleetmeter::parsers
