#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fleetmeter::parsers {

/// Finds the end of one JSON object in a text whose values follow each other with or without a line
/// end between, and that may be cut at any byte: scan() is called again with more of the same text.
/// It checks just enough structure to tell where a broken value stops being one, so that the next
/// line's value is not lost with it: brackets that do not pair, a line end or control byte inside a
/// string, a line that begins with '{' where a key has to stand.
class JsonScanner {
 public:
  enum class Status : std::uint8_t {
    kComplete,  ///< The object ends before `end`.
    kNeedMore,  ///< All bytes were looked at and the object goes on.
    /// Not JSON; the next value cannot begin before `end` (it may begin after the next line end).
    kBroken,
  };
  struct Result {
    Status status;
    std::size_t end;  ///< Offset into `text` behind the object, or of the byte that broke it.
  };

  /// `text` begins with the object's '{' and holds all that earlier calls saw, and more.
  [[nodiscard]] Result scan(std::string_view text) noexcept;
  void reset() noexcept { *this = JsonScanner{}; }
  [[nodiscard]] bool started() const noexcept { return at_ > 0; }

 private:
  static constexpr std::uint32_t kDepthMax = 64;

  std::size_t at_ = 0;
  std::uint32_t depth_ = 0;
  std::uint64_t is_array_ = 0;  // One bit a level.
  bool in_string_ = false;
  bool escaped_ = false;
  bool line_start_ = false;
  char before_ = 0;  // Last byte outside strings that is not a blank.
};

}  // namespace fleetmeter::parsers
