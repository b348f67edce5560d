#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/index_table.h"
#include "parsers/metric_batch.h"
#include "parsers/metric_support.h"

namespace fleetmeter::parsers {

/// What the bytes that tell a datapoint's namespace, name and dimensions came to. A stream tells the
/// same series minute after minute, in the same bytes, so that what was read once is compared from
/// then on: in OTLP the attributes, which stand last in a datapoint, in JSON the text from namespace
/// to dimensions (Amazon CloudWatch User Guide, "OpenTelemetry 1.0.0 format", "JSON format").
/// It begins once a key has come again: of an object that tells each series once nothing is kept.
/// Allocates some 16 MiB at most. Bound by the comparison: one pass over the bytes of a datapoint and
/// over those it is compared with.
class IdentityMemory {
 public:
  static constexpr std::size_t kEntriesMax = 65536;
  static constexpr std::size_t kBytesMax = 8u << 20;  ///< Of keys and of what they mean.
  static constexpr std::size_t kKeyBytesMax = 4096;
  static constexpr std::size_t kDimensionsMax = 64;
  static constexpr std::size_t kRest = 16;
  static constexpr std::size_t kSampled = 4;

  explicit IdentityMemory(std::size_t entries_max = kEntriesMax) : entries_max_(entries_max) {}

  /// Of OTLP a datapoint's message from the content of its first attribute on. The size of that
  /// content is part of it: it says where the next field begins. Of JSON 0.
  struct Key {
    std::string_view bytes;
    std::size_t first_bytes = 0;
  };
  /// Its texts are views of the key, or empty.
  struct Meaning {
    std::uint64_t id = 0;  ///< MetricRecord::identity; 0 = not kept.
    std::string_view metric_namespace = {};
    std::string_view name = {};
    std::uint64_t unknown_keys = 0;
  };

  /// False: not known. The texts of `meaning` and the dimensions, which are appended sorted by
  /// name, point into `key`, not into this object.
  [[nodiscard]] bool find(const Key& key, Meaning& meaning, std::vector<Dimension>& dimensions);

  /// As find(), of a key whose end is not known before it is read, and whose bytes show where it is:
  /// the one that followed the last one found before, if it begins at `at`. Its size; 0: another
  /// one, or none.
  [[nodiscard]] std::size_t find_next(const char* at, const char* end, Meaning& meaning,
                                      std::vector<Dimension>& dimensions);

  /// Only for the key that the last find() did not find, and in which every field is an attribute;
  /// `dimensions` are sorted by name. Returns the id, or 0 when it is not kept. A full memory takes
  /// no more. When it has refused as many keys as it may hold, and answered under a quarter as often
  /// meanwhile, it forgets all and rests for kRest times as many look-ups: attributes that never
  /// come again cost little.
  std::uint64_t keep(const Key& key, const Meaning& meaning, std::span<const Dimension> dimensions);

 private:
  struct Place {  // Within the key.
    std::uint16_t at = 0;
    std::uint16_t size = 0;
  };
  struct DimensionPlace {
    Place name;
    Place value;
  };
  struct Entry {
    std::string_view bytes;  // Into keys_.
    std::uint64_t id = 0;
    std::uint32_t first_dimension = 0;
    std::uint16_t dimension_count = 0;
    std::uint16_t first_bytes = 0;
    std::uint32_t unknown_keys = 0;
    Place metric_namespace;
    Place name;
  };
  [[nodiscard]] static bool is_key_of(const Entry& entry, const Key& key) noexcept;
  [[nodiscard]] bool is_repeated(const Key& key);
  void answer(const Entry& entry, const char* base, Meaning& meaning,
              std::vector<Dimension>& dimensions);
  /// By hash, where the expected one is another.
  [[nodiscard]] const Entry* look_up(const Key& key);
  [[nodiscard]] bool make_room(std::size_t bytes);

  std::size_t entries_max_;
  bool repeats_ = false;
  /// Until then: a key that is waited for, and how many others came meanwhile. After kSampled times
  /// as many as may be kept another one is taken.
  std::string sample_;
  std::size_t others_ = 0;
  std::vector<Entry> entries_;
  std::vector<DimensionPlace> dimensions_;
  TextArena keys_;
  std::size_t bytes_ = 0;  // Of keys_ and dimensions_.
  IndexTable by_key_;
  std::uint32_t expected_ = 0;  // Behind the last one found or kept.
  bool missed_ = false;         // The last find() looked, and did not find.
  std::uint64_t missed_hash_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t rest_ = 0;  // Look-ups that it still rests for.
};

}  // namespace fleetmeter::parsers
