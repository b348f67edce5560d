#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace fleetmeter::fuzz {

/// An input of a fuzz target: its first bytes choose how the rest is fed, so that what is found can
/// be steered and replayed. What is not there chooses 0.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) noexcept
      : rest_(reinterpret_cast<const char*>(data), size) {}

  std::uint8_t choice() noexcept {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }
  /// Up to the next line end, which is taken too.
  std::string_view line() noexcept {
    const std::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(line.size() + 1, rest_.size()));
    return line;
  }
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

 private:
  std::string_view rest_;
};

/// Lengths of pieces, most of them short, in a round of three that an input chooses.
class Pieces {
 public:
  explicit Pieces(FuzzInput& input) noexcept {
    for (std::uint8_t& length : lengths_) length = input.choice();
  }
  std::size_t next() noexcept {
    const std::size_t length = lengths_[at_++ % std::size(lengths_)];
    return length < 0xc0 ? length + 1 : (length - 0xbf) * 64;
  }

 private:
  std::uint8_t lengths_[3];
  std::size_t at_ = 0;
};

/// Bytes in a block of exactly their size, so that the sanitizer sees any read outside.
class ExactBlock {
 public:
  explicit ExactBlock(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), bytes_.size()}; }

 private:
  std::vector<char> bytes_;
};

/// Calls `take` with one piece after another until all of `bytes` has been taken.
template <typename Take>
void for_each_piece(std::string_view bytes, Pieces pieces, Take&& take) {
  while (!bytes.empty()) {
    const ExactBlock piece{bytes.substr(0, pieces.next())};
    bytes.remove_prefix(piece.view().size());
    take(piece.view());
  }
}

}  // namespace fleetmeter::fuzz
