#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "parsers/identity_memory.h"
#include "parsers/metric_batch.h"
#include "parsers/metric_draft.h"

namespace fleetmeter::parsers {

/// What the values of a stream begin with, up to the namespace: the same bytes in nearly all, and so
/// remembered from one value to the next instead of read again. Not thread safe.
class PlainMetricHead {
 public:
  /// Bytes behind `at` that are the head, with its texts put into `record`; 0 = they are not.
  [[nodiscard]] std::size_t take(const char* at, const char* end,
                                 MetricRecord& record) const noexcept;
  /// `record` holds stream, account and region as read from these bytes, and nothing else.
  void note(const char* begin, const char* end, const MetricRecord& record) noexcept;

 private:
  struct Place {
    std::uint32_t at = 0, size = 0;
  };
  static constexpr std::size_t kBytesMax = 256;

  std::array<char, kBytesMax> bytes_;
  std::size_t size_ = 0;
  Place stream_, account_, region_;
};

/// What is remembered from one value to the next. Not thread safe.
struct PlainMetricMemory {
  PlainMetricHead head;
  IdentityMemory identities;
};

/// Reads a metric stream's JSON object in one pass, without an index of its tokens: texts of ASCII
/// without escapes, numbers, true, false and null, keys and blanks wherever JSON allows them. The
/// order in which AWS writes the keys is guessed and costs no look-up. Every byte is checked, so
/// what is read whole is one JSON object from first to last byte, and simdjson would read the same
/// in it.
class PlainMetricReader {
 public:
  enum class Result : std::uint8_t {
    kWhole,    ///< The draft holds what simdjson would have found.
    kUnusual,  ///< An escape, a byte that is not ASCII, a nested value: for simdjson to judge.
    kBroken,   ///< Not JSON, an envelope, or a key twice: for JsonScanner and simdjson to judge.
  };

  /// `value` begins with '{' and has ByteBuffer::kPaddingBytes readable behind it. Dimensions and
  /// extended statistics are appended to `batch`, whatever the result.
  PlainMetricReader(std::string_view value, PlainMetricMemory& memory, MetricBatch& batch,
                    MetricDraft& draft) noexcept
      : at_(value.data() + 1),
        end_(value.data() + value.size()),
        memory_(memory),
        batch_(batch),
        draft_(draft) {}
  [[nodiscard]] Result read();

 private:
  [[nodiscard]] bool read_as_written();
  [[nodiscard]] bool read_written_identity();
  [[nodiscard]] bool read_new_identity(IdentityMemory::Meaning& identity);
  [[nodiscard]] bool read_written_dimensions();
  [[nodiscard]] bool read_written_statistics();
  [[nodiscard]] Result read_any_order();
  void note_head(const char* begin) noexcept;
  [[nodiscard]] bool read_member(MetricKey& expected);
  [[nodiscard]] bool read_key(MetricKey expected, MetricKey& key);
  [[nodiscard]] bool read_value(MetricKey key);
  [[nodiscard]] bool read_text(std::string_view& text) noexcept;
  [[nodiscard]] bool read_label(std::string_view& label, bool& is_text);
  [[nodiscard]] bool read_dimensions();
  [[nodiscard]] bool read_statistics();
  [[nodiscard]] bool read_statistic(std::uint32_t& expected);
  [[nodiscard]] bool read_timestamp();
  [[nodiscard]] bool read_number(double& number) noexcept;
  [[nodiscard]] bool read_number_like(std::string_view text, double value, double& number) noexcept;
  [[nodiscard]] bool skip_scalar();
  [[nodiscard]] bool take(char c) noexcept;
  [[nodiscard]] bool take_colon() noexcept;
  void skip_blanks() noexcept;

  template <std::size_t kSize>
  [[nodiscard]] bool take_key(const char (&key)[kSize]) noexcept;
  template <std::size_t kSize>
  [[nodiscard]] bool take_written(const char (&text)[kSize]) noexcept;

  const char* at_;
  const char* const end_;
  PlainMetricMemory& memory_;
  MetricBatch& batch_;
  MetricDraft& draft_;
  std::uint32_t seen_ = 0;  // Keys, a bit each.
  bool is_unusual_ = false;
};

}  // namespace fleetmeter::parsers
