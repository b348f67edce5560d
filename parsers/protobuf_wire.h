#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace fleetmeter::parsers {

/// A field's tag as the wire has it: number and wire type at once.
[[nodiscard]] constexpr std::uint64_t fixed64_tag(std::uint32_t field) noexcept {
  return field << 3 | 1;
}
[[nodiscard]] constexpr std::uint64_t length_tag(std::uint32_t field) noexcept {
  return field << 3 | 2;
}

/// Walks the fields of one protobuf message, in whatever order they stand. A field with wire type
/// 3, 4, 6 or 7, or one that runs past the message, ends the walk with ok() false. Rule: Protocol
/// Buffers, "Encoding". Nothing that is called hands out the reader's address, so that it lives in
/// registers.
class WireReader {
 public:
  explicit WireReader(std::string_view message) noexcept
      : at_(message.data()), end_(message.data() + message.size()) {}

  /// Moves to the next field; false at the end or when the wire is broken.
  bool next() noexcept {
    if (at_ == end_) return false;
    if (!read_varint(tag_)) return fail();
    switch (tag_ & 7) {
      case kLength:
        return take_length() || fail();
      case kFixed64:
        return take_fixed(8) || fail();
      case kVarint:
        return read_varint(number_) || fail();
      case kFixed32:
        return take_fixed(4) || fail();
      default:
        return fail();
    }
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// To be compared with length_tag() and fixed64_tag(): a field of another wire type than its
  /// schema's is an unknown one.
  [[nodiscard]] std::uint64_t tag() const noexcept { return tag_; }
  [[nodiscard]] std::string_view bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] double real() const noexcept { return std::bit_cast<double>(number_); }

 private:
  enum : std::uint64_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

  struct Varint {
    const char* end;  // nullptr: cut, or over ten bytes.
    std::uint64_t value;
  };

  bool fail() noexcept {
    ok_ = false;
    at_ = end_;
    return false;
  }

  static std::uint64_t byte_at(const char* at) noexcept { return static_cast<unsigned char>(*at); }

  /// One byte and two, as nearly all have, are read here.
  bool read_varint(std::uint64_t& value) noexcept {
    if (at_ == end_) return false;
    const std::uint64_t first = byte_at(at_);
    if (first < 0x80) {
      value = first;
      ++at_;
      return true;
    }
    if (end_ - at_ >= 2 && byte_at(at_ + 1) < 0x80) {
      value = (first & 0x7f) | byte_at(at_ + 1) << 7;
      at_ += 2;
      return true;
    }
    const Varint varint = read_long_varint(at_, end_);
    if (varint.end == nullptr) return false;
    value = varint.value;
    at_ = varint.end;
    return true;
  }

  [[gnu::noinline]] static Varint read_long_varint(const char* at, const char* end) noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at == end) break;
      const std::uint64_t byte = byte_at(at++);
      if (shift == 63 && byte > 1) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return {at, value};
    }
    return {nullptr, 0};
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
  std::uint64_t tag_ = 0;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace fleetmeter::parsers
