#include "parsers/metric_json.h"

#include <simdjson.h>

#include <charconv>
#include <system_error>

#include "parsers/byte_buffer.h"
#include "parsers/metric_draft.h"
#include "parsers/metric_json_plain.h"
#include "parsers/metric_support.h"

namespace fleetmeter::parsers {
namespace {

static_assert(ByteBuffer::kPaddingBytes >= simdjson::SIMDJSON_PADDING);

namespace ondemand = simdjson::ondemand;

}  // namespace

struct MetricJsonParser::State {
  ondemand::parser parser;
  TextArena text;
  PlainMetricMemory plain;

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

  /// What is no text is absent, and counted unless it says so itself.
  void read_label(ondemand::value value, std::string_view& out, MetricDraft& draft) {
    const bool is_null = value.raw_json_token().starts_with("null");
    if (read_text(value, out)) return;
    draft.bad_token = true;
    draft.unknown_keys += is_null ? 0 : 1;
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

  /// simdjson judges the text, but 3.0 misreads what begins with "0." and has more than 19
  /// digits.
  static bool read_number(ondemand::value value, double& out) {
    const std::string_view token = value.raw_json_token();
    if (value.get_double().get(out) != simdjson::SUCCESS) return false;
    double exact = 0;
    if (std::from_chars(token.data(), token.data() + token.size(), exact).ec == std::errc{})
      out = exact;
    return true;
  }

  bool read_dimensions(ondemand::value value, MetricBatch& batch, MetricDraft& draft) {
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) {
      draft.bad_value = true;
      return true;
    }
    for (auto item : object) {
      ondemand::field field;
      Dimension dimension;
      if (std::move(item).get(field) != simdjson::SUCCESS || !read_key(field, dimension.name))
        return false;
      // Without it the datapoint would be another series'.
      draft.bad_value |= !read_text(field.value(), dimension.value);
      batch.dimensions.push_back(dimension);
    }
    return true;
  }

  bool read_statistics(ondemand::value value, MetricBatch& batch, MetricDraft& draft) {
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
      const bool is_number = read_number(field.value(), number);
      const MetricDraft::Place place = draft.place_of(name);
      if (!is_number) {
        draft.bad_value |= place.value != nullptr;
        draft.unknown_keys += place.value == nullptr ? 1 : 0;
      } else if (place.value != nullptr) {
        *place.value = number;
        draft.statistics |= place.bit;
      } else {
        batch.extended.push_back({name, number});
      }
    }
    return true;
  }

  /// False when the JSON itself is broken.
  bool read_field(ondemand::field& field, MetricBatch& batch, MetricDraft& draft) {
    std::string_view name;
    if (!read_key(field, name)) return false;
    MetricRecord& record = draft.record;
    const MetricKey key = metric_key_of(name);
    draft.note_key(key);
    switch (key) {
      case MetricKey::kStream:
        read_label(field.value(), record.stream, draft);
        return true;
      case MetricKey::kAccount:
        read_label(field.value(), record.account, draft);
        return true;
      case MetricKey::kRegion:
        read_label(field.value(), record.region, draft);
        return true;
      case MetricKey::kUnit:
        read_label(field.value(), record.unit, draft);
        return true;
      case MetricKey::kNamespace:
        draft.has_namespace = read_text(field.value(), record.metric_namespace);
        draft.bad_token |= !draft.has_namespace;
        draft.has_namespace &= !record.metric_namespace.empty();
        return true;
      case MetricKey::kName:
        draft.has_name = read_text(field.value(), record.name);
        draft.bad_token |= !draft.has_name;
        draft.has_name &= !record.name.empty();
        return true;
      case MetricKey::kTimestamp:
        draft.has_timestamp = true;
        draft.bad_timestamp = field.value().get_int64().get(record.start_ms) != simdjson::SUCCESS;
        draft.bad_token |= draft.bad_timestamp;
        draft.bad_timestamp |= record.start_ms < 0 || record.start_ms > kTimestampMsMax;
        return true;
      case MetricKey::kDimensions:
        return read_dimensions(field.value(), batch, draft);
      case MetricKey::kValue:
        draft.has_value = true;
        return read_statistics(field.value(), batch, draft);
      case MetricKey::kEnvelope:
        // The name of a stream says what it is, whatever else came in.
        draft.is_envelope = !draft.has_stream;
        draft.unknown_keys += draft.has_stream ? 1 : 0;
        return true;
      case MetricKey::kUnknown:
        ++draft.unknown_keys;
        return true;
    }
    return true;
  }

  /// False when `value` is not one whole JSON object.
  bool read_object(std::string_view value, MetricBatch& batch, MetricDraft& draft) {
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
      if (draft.is_envelope) return true;  // Whatever stood before it.
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
  MetricDraft draft;
  const auto undo = [&](Result result) {
    batch.dimensions.resize(first_dimension);
    batch.extended.resize(first_extended);
    return result;
  };
  const auto drop = [&](MetricDrop reason) {
    ++counts.dropped[static_cast<std::size_t>(reason)];
    return undo(Result::kTaken);
  };
  const PlainMetricReader::Result plain =
      PlainMetricReader(value, state_->plain, batch, draft).read();
  if (plain != PlainMetricReader::Result::kWhole) {
    (void)undo(Result::kNotClean);
    if (!exact && plain == PlainMetricReader::Result::kBroken) return Result::kNotClean;
    draft = {};
    const bool whole = state_->read_object(value, batch, draft);
    if (!exact && !(whole && draft.is_clean())) return undo(Result::kNotClean);
    if (!whole && looks_like_envelope(value)) return undo(Result::kOther);
    if (!whole) return drop(MetricDrop::kBadJson);
  }
  if (draft.is_envelope) return undo(Result::kOther);
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
