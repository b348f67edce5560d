#include "parsers/metric_draft.h"

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
    {"log_status", MetricKey::kEnvelope},
    {"log-status", MetricKey::kEnvelope},
    {"interface_id", MetricKey::kEnvelope},
    {"interface-id", MetricKey::kEnvelope},
    {"srcaddr", MetricKey::kEnvelope},
};

}  // namespace

MetricKey metric_key_of(std::string_view name) noexcept {
  for (const KeyName& known : kKeys) {
    if (known.name == name) return known.key;
  }
  return MetricKey::kUnknown;
}

}  // namespace fleetmeter::parsers
