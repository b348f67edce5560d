#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace fleetmeter::parsers::testing {

/// Seeded flow log text as a hostile world writes it: lines of a layout, most of them right, some
/// with wrong values, blanks, times of exports, quotes, headers in mid-stream and damaged bytes.
class FlowLines {
 public:
  explicit FlowLines(std::uint32_t seed) : random_(seed) {}

  /// A format: the default one (as ""), or some of the known fields in any order, now and then with
  /// a name that is unknown or there twice.
  std::string format();
  /// `lines` lines of it; "" means the default format.
  std::string text(const std::string& format, std::size_t lines);
  /// Changes some bytes.
  void damage(std::string& text, std::size_t changes);

  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_()) % limit; }
  bool one_in(std::uint32_t n) { return below(n) == 0; }

 private:
  std::string line(const std::vector<std::string>& names);
  std::string value(const std::string& name);
  std::string number();
  std::string address();

  std::mt19937 random_;
};

}  // namespace fleetmeter::parsers::testing
