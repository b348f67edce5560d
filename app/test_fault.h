#pragma once

#include <functional>
#include <string_view>

namespace fleetmeter::app {

/// For kill tests alone: FLEETMETER_TEST_FAULT = "POINT:COUNT" ends the process, as kill -9 would,
/// when the named point ("append.before_commit", "outputs.after_commit", "firehose.before_reply",
/// "delivery.after_send", "transaction.before_commit", ...) is passed for the COUNT-th time. With
/// "POINT:COUNT:FILE" only what passes while FILE exists counts. Empty when the variable is not
/// set: no cost.
[[nodiscard]] std::function<void(std::string_view)> test_fault();

}  // namespace fleetmeter::app
