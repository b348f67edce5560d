#pragma once

#include <cstdint>
#include <string_view>

#include "parsers/metric_batch.h"
#include "parsers/metric_draft.h"

namespace fleetmeter::parsers {

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
  PlainMetricReader(std::string_view value, MetricBatch& batch, MetricDraft& draft) noexcept
      : at_(value.data() + 1), end_(value.data() + value.size()), batch_(batch), draft_(draft) {}
  [[nodiscard]] Result read();

 private:
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
  [[nodiscard]] bool skip_scalar();
  [[nodiscard]] bool take(char c) noexcept;
  [[nodiscard]] bool take_colon() noexcept;
  void skip_blanks() noexcept;

  template <std::size_t kSize>
  [[nodiscard]] bool take_key(const char (&key)[kSize]) noexcept;

  const char* at_;
  const char* const end_;
  MetricBatch& batch_;
  MetricDraft& draft_;
  std::uint32_t seen_ = 0;  // Keys, a bit each.
  bool is_unusual_ = false;
};

}  // namespace fleetmeter::parsers
