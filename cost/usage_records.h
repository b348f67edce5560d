#pragma once

#include <string_view>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "cost/usage_totals.h"
#include "proto/result.h"

namespace fleetmeter::cost {

/// The strings and facts behind a store's numbers.
class TextNames {
 public:
  virtual ~TextNames() = default;
  /// Lives until the next call.
  virtual Result<std::string_view> text_of(TextId id) = 0;
  /// Of a key that TextIds::key_of() gave in the same transaction.
  virtual const FlowFacts& facts_of(FlowKeyId key) = 0;
};

/// Totals as records of a usage topic (proto/usage.proto), strings spelled out; the record of what
/// they cover comes last. Keys are canonical: equal rows have equal bytes.
[[nodiscard]] Result<std::vector<aggregator::UsageRecord>> to_records(const UsageTotals& totals,
                                                                      TextNames& names);

/// Takes a record back into `totals`, where a later one of a key replaces an earlier. True for the
/// record that ends a transaction. kDataLoss: damaged, or of a newer release.
[[nodiscard]] Result<bool> add_record(const aggregator::UsageRecord& record, TextIds& ids,
                                      UsageTotals& totals);

}  // namespace fleetmeter::cost
