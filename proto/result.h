#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "proto/check.h"

namespace fleetmeter {

/// What the caller should do about an error.
enum class ErrorCode : unsigned char {
  kInvalidArgument,  ///< Fix the input or the configuration; retrying cannot help.
  kNotFound,         ///< The thing named does not exist.
  kUnavailable,      ///< The world is in the way (disk full, broker down): retry with backoff.
  kFenced,           ///< Another owner took over: stop, do not retry.
  kDataLoss,         ///< Stored data is damaged or from a newer release: alert, do not touch it.
  kInternal,         ///< Our own bug: file it.
};

/// Why an operation failed, for people: names the file, line, key and the fix where there is one.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  /// The same error with `context` in front, added going up: "context: message".
  [[nodiscard]] Error with_context(std::string_view context) && {
    message.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }
};

/// A value or the reason why there is none. Names follow std::expected so that an alias can replace
/// it.
template <typename T>
class [[nodiscard]] Result {
 public:
  // NOLINT(google-explicit-constructor)
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] T& value() & {
    FM_CHECK(has_value());
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& {
    FM_CHECK(has_value());
    return std::get<0>(state_);
  }
  [[nodiscard]] T&& value() && {
    FM_CHECK(has_value());
    return std::get<0>(std::move(state_));
  }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

  [[nodiscard]] Error& error() & {
    FM_CHECK(!has_value());
    return std::get<1>(state_);
  }
  [[nodiscard]] const Error& error() const& {
    FM_CHECK(!has_value());
    return std::get<1>(state_);
  }
  [[nodiscard]] Error&& error() && {
    FM_CHECK(!has_value());
    return std::get<1>(std::move(state_));
  }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value: `return {};` or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  // NOLINT(google-explicit-constructor)
  Result(Error error) : failed_(true), error_(std::move(error)) {}

  [[nodiscard]] bool has_value() const noexcept { return !failed_; }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] Error& error() & {
    FM_CHECK(failed_);
    return error_;
  }
  [[nodiscard]] const Error& error() const& {
    FM_CHECK(failed_);
    return error_;
  }
  [[nodiscard]] Error&& error() && {
    FM_CHECK(failed_);
    return std::move(error_);
  }

 private:
  bool failed_ = false;
  Error error_;
};

}  // namespace fleetmeter
