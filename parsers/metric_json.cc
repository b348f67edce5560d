#include "parsers/metric_json.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

#include "parsers/byte_buffer.h"
#include "parsers/metric_support.h"

namespace fleetmeter::parsers {
namespace {

static_assert(ByteBuffer::kPaddingBytes >= simdjson::SIMDJSON_PADDING);

namespace ondemand = simdjson::ondemand;

enum class Key : std::uint8_t {
  kStream,
  kAccount,
  kRegion,
  kNamespace,
  kName,
  kDimensions,
  kTimestamp,
  kValue,
  kUnit,
  kEnvelope,
  kUnknown
};

struct KeyName {
  std::string_view name;
  Key key;
};

constexpr KeyName kKeys[] = {
    {"metric_stream_name", Key::kStream},
    {"account_id", Key::kAccount},
    {"region", Key::kRegion},
    {"namespace", Key::kNamespace},
    {"metric_name", Key::kName},
    {"dimensions", Key::kDimensions},
    {"timestamp", Key::kTimestamp},
    {"value", Key::kValue},
    {"unit", Key::kUnit},
    {"messageType", Key::kEnvelope},
    {"logEvents", Key::kEnvelope},
    {"records", Key::kEnvelope},
    {"Records", Key::kEnvelope},
    {"awslogs", Key::kEnvelope},
    {"message", Key::kEnvelope},
    {"requestId", Key::kEnvelope},
    {"rawData", Key::kEnvelope},
};

Key key_of(std::string_view name) noexcept {
  for (const KeyName& known : kKeys) {
    if (known.name == name) return known.key;
  }
  return Key::kUnknown;
}

/// A datapoint on its way: what has been seen of it, and the first thing that is wrong.
struct Draft {
  MetricRecord record;
  bool has_namespace = false;
  bool has_name = false;
  bool has_timestamp = false;
  bool has_value = false;
  bool bad_timestamp = false;
  bool bad_value = false;
  bool is_metric = false;        // A key that only metrics have.
  bool is_envelope = false;      // A key that only envelopes have.
  bool bad_text = false;         // A text that is none; the datapoint does without it.
  std::uint32_t statistics = 0;  // Bits: max, min, sum, count.
  std::uint64_t unknown_keys = 0;

  [[nodiscard]] bool has_all_keys() const noexcept {
    return has_namespace && has_name && has_timestamp && has_value;
  }
  [[nodiscard]] bool has_good_value() const noexcept { return !bad_value && statistics == 15; }
  /// Every token was read and is what it should be.
  [[nodiscard]] bool is_clean() const noexcept {
    return has_all_keys() && has_good_value() && !bad_timestamp && !bad_text && !is_envelope &&
           unknown_keys == 0;
  }
};

}  // namespace

struct MetricJsonParser::State {
  ondemand::parser parser;
  TextArena text;

  /// A string without escapes is a view into the payload; any other is unescaped into the arena.
  bool read_text(ondemand::value value, std::string_view& out) {
    std::string_view token = value.raw_json_token();
    if (token.empty() || token.front() != '"') return false;
    const std::size_t close = token.find_last_of('"');
    if (close > 0 && token.find('\\') == std::string_view::npos) {
      out = token.substr(1, close - 1);
      // Taken, not only looked at: simdjson skips a text it was left with together with a ':' and a
      // value behind it.
      ondemand::raw_json_string taken;
      return value.get_raw_json_string().get(taken) == simdjson::SUCCESS;
    }
    std::string_view unescaped;
    if (value.get_string().get(unescaped) != simdjson::SUCCESS) return false;
    out = text.keep(unescaped);
    return true;
  }

  bool read_key(ondemand::field& field, std::string_view& out) {
    const char* const begin = field.key().raw();
    const char* end = begin;
    while (*end != '"' && *end != '\\') ++end;  // The indexing pass has seen the closing quote.
    out = {begin, static_cast<std::size_t>(end - begin)};
    if (*end == '"') return true;
    std::string_view unescaped;
    if (field.unescaped_key().get(unescaped) != simdjson::SUCCESS) return false;
    out = text.keep(unescaped);
    return true;
  }

  bool read_dimensions(ondemand::value value, MetricBatch& batch, Draft& draft) {
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) {
      ++draft.unknown_keys;
      return true;
    }
    for (auto item : object) {
      ondemand::field field;
      Dimension dimension;
      if (std::move(item).get(field) != simdjson::SUCCESS || !read_key(field, dimension.name))
        return false;
      if (read_text(field.value(), dimension.value)) {
        batch.dimensions.push_back(dimension);
      } else {
        ++draft.unknown_keys;
      }
    }
    return true;
  }

  bool read_statistics(ondemand::value value, MetricBatch& batch, Draft& draft) {
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) {
      draft.bad_value = true;
      return true;
    }
    for (auto item : object) {
      ondemand::field field;
      std::string_view name;
      if (std::move(item).get(field) != simdjson::SUCCESS || !read_key(field, name)) return false;
      double number = 0;
      const bool is_number = field.value().get_double().get(number) == simdjson::SUCCESS;
      std::uint32_t bit = 0;
      double* place = nullptr;
      if (name == "max")
        bit = 1, place = &draft.record.maximum;
      else if (name == "min")
        bit = 2, place = &draft.record.minimum;
      else if (name == "sum")
        bit = 4, place = &draft.record.sum;
      else if (name == "count")
        bit = 8, place = &draft.record.sample_count;
      if (!is_number) {
        draft.bad_value |= place != nullptr;
        draft.unknown_keys += place == nullptr ? 1 : 0;
      } else if (place != nullptr) {
        *place = number;
        draft.statistics |= bit;
      } else {
        batch.extended.push_back({name, number});
      }
    }
    return true;
  }

  /// False when the JSON itself is broken.
  bool read_field(ondemand::field& field, MetricBatch& batch, Draft& draft) {
    std::string_view name;
    if (!read_key(field, name)) return false;
    MetricRecord& record = draft.record;
    const Key key = key_of(name);
    draft.is_metric |=
        key == Key::kStream || key == Key::kNamespace || key == Key::kName || key == Key::kValue;
    switch (key) {
      case Key::kStream:
        draft.bad_text |= !read_text(field.value(), record.stream);
        return true;
      case Key::kAccount:
        draft.bad_text |= !read_text(field.value(), record.account);
        return true;
      case Key::kRegion:
        draft.bad_text |= !read_text(field.value(), record.region);
        return true;
      case Key::kUnit:
        draft.bad_text |= !read_text(field.value(), record.unit);
        return true;
      case Key::kNamespace:
        draft.has_namespace =
            read_text(field.value(), record.metric_namespace) && !record.metric_namespace.empty();
        return true;
      case Key::kName:
        draft.has_name = read_text(field.value(), record.name) && !record.name.empty();
        return true;
      case Key::kTimestamp:
        draft.has_timestamp = true;
        draft.bad_timestamp = field.value().get_int64().get(record.start_ms) != simdjson::SUCCESS ||
                              record.start_ms < 0 || record.start_ms > kTimestampMsMax;
        return true;
      case Key::kDimensions:
        return read_dimensions(field.value(), batch, draft);
      case Key::kValue:
        draft.has_value = true;
        return read_statistics(field.value(), batch, draft);
      case Key::kEnvelope:
        draft.is_envelope = true;
        return true;
      case Key::kUnknown:
        ++draft.unknown_keys;
        return true;
    }
    return true;
  }

  /// False when `value` is not one whole JSON object.
  bool read_object(std::string_view value, MetricBatch& batch, Draft& draft) {
    ondemand::document document;
    const simdjson::padded_string_view padded{value.data(), value.size(),
                                              value.size() + simdjson::SIMDJSON_PADDING};
    if (parser.iterate(padded).get(document) != simdjson::SUCCESS) return false;
    ondemand::object object;
    if (document.get_object().get(object) != simdjson::SUCCESS) return false;
    for (auto item : object) {
      ondemand::field field;
      if (std::move(item).get(field) != simdjson::SUCCESS || !read_field(field, batch, draft))
        return false;
      if (draft.is_envelope && !draft.is_metric) return true;
    }
    return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  }
};

MetricJsonParser::MetricJsonParser() : state_(std::make_unique<State>()) {}
MetricJsonParser::~MetricJsonParser() = default;
void MetricJsonParser::clear_text() noexcept { state_->text.clear(); }

MetricJsonParser::Result MetricJsonParser::parse(std::string_view value, bool exact,
                                                 MetricBatch& batch, MetricCounts& counts) {
  const std::size_t first_dimension = batch.dimensions.size();
  const std::size_t first_extended = batch.extended.size();
  Draft draft;
  const bool whole = state_->read_object(value, batch, draft);
  const auto undo = [&](Result result) {
    batch.dimensions.resize(first_dimension);
    batch.extended.resize(first_extended);
    return result;
  };
  const auto drop = [&](MetricDrop reason) {
    ++counts.dropped[static_cast<std::size_t>(reason)];
    return undo(Result::kTaken);
  };
  if (!exact && !(whole && draft.is_clean())) return undo(Result::kNotClean);
  if (!whole) return drop(MetricDrop::kBadJson);
  if (draft.is_envelope && !draft.is_metric) return undo(Result::kOther);
  counts.unknown_keys += draft.is_metric ? draft.unknown_keys : 0;
  if (!draft.has_all_keys()) return drop(MetricDrop::kMissingKey);
  if (draft.bad_timestamp) return drop(MetricDrop::kBadTimestamp);
  if (!draft.has_good_value()) return drop(MetricDrop::kBadValue);
  MetricRecord& record = batch.records.emplace_back(draft.record);
  record.first_dimension = static_cast<std::uint32_t>(first_dimension);
  record.dimension_count = static_cast<std::uint32_t>(batch.dimensions.size() - first_dimension);
  record.first_extended = static_cast<std::uint32_t>(first_extended);
  record.extended_count = static_cast<std::uint32_t>(batch.extended.size() - first_extended);
  sort_dimensions(batch, record);
  ++counts.datapoints;
  return Result::kTaken;
}

}  // namespace fleetmeter::parsers
