#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fleetmeter::parsers {

/// Types of Thrift's compact protocol, as its field headers name them.
enum class ThriftType : std::uint8_t {
  kStop = 0,
  kTrue = 1,
  kFalse = 2,
  kByte = 3,
  kI16 = 4,
  kI32 = 5,
  kI64 = 6,
  kDouble = 7,
  kBinary = 8,
  kList = 9,
  kSet = 10,
  kMap = 11,
  kStruct = 12,
  kUuid = 13,
};

struct ThriftField {
  int id = 0;  ///< A fresh one begins a struct: ids are written as differences.
  ThriftType type = ThriftType::kStop;
};

/// Reads what Parquet writes in Thrift's compact protocol. Errors stick: once something is wrong
/// every call yields nothing and state() says why, so callers check once. Every loop over what it
/// yields ends, since each step takes a byte at least. Any bytes in; allocates nothing.
/// Rule: Apache Thrift, "Thrift Compact protocol encoding".
class ThriftReader {
 public:
  enum class State : std::uint8_t {
    kGood,
    kCut,  ///< The bytes end too early: with more of them it may be good.
    kBad,  ///< No compact protocol, or nested deeper than any of Parquet's.
  };

  explicit ThriftReader(std::string_view bytes) noexcept
      : begin_(bytes.data()), at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] bool good() const noexcept { return state_ == State::kGood; }
  [[nodiscard]] std::size_t taken_bytes() const noexcept {
    return static_cast<std::size_t>(at_ - begin_);
  }

  /// The next field of the struct that `field` is the last one of; false at its end.
  [[nodiscard]] bool next(ThriftField& field) noexcept;
  /// The value of a field; one of another type than asked for is bad.
  [[nodiscard]] std::int64_t number(const ThriftField& field) noexcept;
  [[nodiscard]] bool boolean(const ThriftField& field) noexcept;
  [[nodiscard]] std::string_view binary(const ThriftField& field) noexcept;
  /// How many elements of `element` a list field holds, no more than bytes are left; read them with
  /// list_number(), list_binary() or, structs, with next() on a fresh field each.
  [[nodiscard]] std::size_t list(const ThriftField& field, ThriftType element) noexcept;
  [[nodiscard]] std::int64_t list_number() noexcept;
  /// True when `field` is a struct, whose fields come next.
  [[nodiscard]] bool enter(const ThriftField& field) noexcept;
  void skip(const ThriftField& field) noexcept { skip(field.type, 0); }

 private:
  [[nodiscard]] std::uint64_t varint() noexcept;
  [[nodiscard]] std::uint8_t byte() noexcept;
  [[nodiscard]] std::string_view bytes(std::uint64_t count) noexcept;
  void skip(ThriftType type, int depth) noexcept;
  void skip_elements(ThriftType element, std::uint64_t count, int depth) noexcept;
  void fail(State state) noexcept {
    if (good()) state_ = state;
    at_ = end_;
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  State state_ = State::kGood;
};

}  // namespace fleetmeter::parsers
