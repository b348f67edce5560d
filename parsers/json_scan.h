#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fleetmeter::parsers {

/// Finds the end of one JSON object in a text whose values follow each other with or without a line
/// end between, and that may be cut at any byte: scan() is called again with more of the same text.
/// It checks just enough structure to tell where a broken value stops being one, so that nothing of
/// the lines behind it is lost with it: what stands where a key, a value or a comma has to,
/// brackets that do not pair, a line end inside a string, a line that begins with '{' where a key
/// has to stand. A quote that ended a string behind '{' and does not fit there opened the first key
/// of the next value: this one was cut inside that string. Any other control byte inside a string
/// is for the value's reader to refuse: it does not hide where the value ends.
class JsonScanner {
 public:
  enum class Status : std::uint8_t {
    kComplete,  ///< The object ends before `end`.
    kNeedMore,  ///< All bytes were looked at and the object goes on.
    kBroken,    ///< Not JSON; the next value or line cannot begin before `end`.
    kCut,       ///< Not JSON: another value begins at `end` where this one cannot hold it.
  };
  struct Result {
    Status status;
    /// Offset into `text` behind the object. Of a broken one the begin of the line that broke it,
    /// or the byte that did when that is the first line.
    std::size_t end;
  };

  /// `text` begins with the object's '{' and holds all that earlier calls saw, and more.
  [[nodiscard]] Result scan(std::string_view text) noexcept;
  void reset() noexcept { *this = JsonScanner{}; }
  [[nodiscard]] bool started() const noexcept { return at_ > 0; }

 private:
  static constexpr std::uint32_t kDepthMax = 64;
  /// What was last but blanks; a key or string is one from its first quote on.
  enum class Last : std::uint8_t { kNothing, kOpen, kKey, kColon, kValue, kWord, kComma };

  [[nodiscard]] Result broken(std::string_view text) const noexcept;
  [[nodiscard]] static Result cut_before(std::size_t next) noexcept { return {Status::kCut, next}; }

  std::size_t at_ = 0;
  std::uint32_t depth_ = 0;
  std::uint64_t is_array_ = 0;  // One bit a level.
  bool in_string_ = false;
  bool escaped_ = false;
  std::size_t line_begin_ = 0;  // Of the line at `at_`.
  Last last_ = Last::kNothing;
};

}  // namespace fleetmeter::parsers
