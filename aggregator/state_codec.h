#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace fleetmeter::aggregator {

/// Appends values to the state bytes of a snapshot: little-endian fixed width and length-prefixed
/// text, so that equal states have equal bytes. The schema number beside the snapshot says which
/// layout it is.
class StateWriter {
 public:
  explicit StateWriter(std::string& out) : out_(out) {}
  void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void boolean(bool value) { u8(value ? 1 : 0); }
  void u32(std::uint32_t value) { fixed(value, 4); }
  void u64(std::uint64_t value) { fixed(value, 8); }
  void i64(std::int64_t value) { u64(static_cast<std::uint64_t>(value)); }
  void f64(double value) { u64(std::bit_cast<std::uint64_t>(value)); }
  void text(std::string_view value) {
    u64(value.size());
    out_.append(value);
  }

 private:
  void fixed(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  }
  std::string& out_;
};

/// Reads what StateWriter wrote. Damage never throws: every read past the end yields zero and makes
/// ok() false.
class StateReader {
 public:
  explicit StateReader(std::string_view& in) : in_(in) {}
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  void fail() noexcept { ok_ = false; }
  [[nodiscard]] std::uint8_t u8() { return static_cast<std::uint8_t>(fixed(1)); }
  [[nodiscard]] bool boolean() {
    const std::uint8_t value = u8();
    if (value > 1) fail();
    return value == 1;
  }
  [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(fixed(4)); }
  [[nodiscard]] std::uint64_t u64() { return fixed(8); }
  [[nodiscard]] std::int64_t i64() { return static_cast<std::int64_t>(fixed(8)); }
  [[nodiscard]] double f64() { return std::bit_cast<double>(fixed(8)); }
  [[nodiscard]] std::string text() {
    const std::uint64_t size = u64();
    if (!ok_ || size > in_.size()) {
      fail();
      return {};
    }
    std::string value(in_.substr(0, size));
    in_.remove_prefix(size);
    return value;
  }
  /// Number of elements that follow, each of at least one byte: a damaged one cannot make the
  /// reader allocate.
  [[nodiscard]] std::uint64_t count() {
    const std::uint64_t value = u64();
    if (value > in_.size()) fail();
    return ok_ ? value : 0;
  }

 private:
  std::uint64_t fixed(std::size_t bytes) {
    if (!ok_ || in_.size() < bytes) {
      fail();
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(in_[i])) << (8 * i);
    }
    in_.remove_prefix(bytes);
    return value;
  }
  std::string_view& in_;
  bool ok_ = true;
};

}  // namespace fleetmeter::aggregator
