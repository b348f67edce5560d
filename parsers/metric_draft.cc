#include "parsers/metric_draft.h"

#include "parsers/flow_field.h"

namespace fleetmeter::parsers {
namespace {

struct KeyName {
  std::string_view name;
  MetricKey key;
};

constexpr KeyName kKeys[] = {
    {"metric_stream_name", MetricKey::kStream},
    {"account_id", MetricKey::kAccount},
    {"region", MetricKey::kRegion},
    {"namespace", MetricKey::kNamespace},
    {"metric_name", MetricKey::kName},
    {"dimensions", MetricKey::kDimensions},
    {"timestamp", MetricKey::kTimestamp},
    {"value", MetricKey::kValue},
    {"unit", MetricKey::kUnit},
    {"messageType", MetricKey::kEnvelope},
    {"logEvents", MetricKey::kEnvelope},
    {"records", MetricKey::kEnvelope},
    {"Records", MetricKey::kEnvelope},
    {"awslogs", MetricKey::kEnvelope},
    {"message", MetricKey::kEnvelope},
    {"requestId", MetricKey::kEnvelope},
    {"rawData", MetricKey::kEnvelope},
};

}  // namespace

MetricKey metric_key_of(std::string_view name) noexcept {
  for (const KeyName& known : kKeys) {
    if (known.name == name) return known.key;
  }
  return is_flow_record_key(name) ? MetricKey::kEnvelope : MetricKey::kUnknown;
}

}  // namespace fleetmeter::parsers
