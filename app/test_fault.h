#pragma once

#include <functional>
#include <string_view>

namespace fleetmeter::app {

/// For the kill test alone: FLEETMETER_TEST_FAULT = "POINT:COUNT" ends the process, as kill -9
/// would, when the named point
/// ("append.before_commit", "outputs.after_commit", "firehose.before_reply", "delivery.after_send",
/// ...) is passed for the COUNT-th time. Empty when the variable is not set: no cost.
[[nodiscard]] std::function<void(std::string_view)> test_fault();

}  // namespace fleetmeter::app
