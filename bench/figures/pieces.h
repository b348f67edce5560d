#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "bench/figures/figures.h"

namespace fleetmeter::figures {

/// A file read a piece at a time, so that a ceiling reads it as cheaply as can be: the buffer stays
/// in the cache, and what is read lands on a cache line's border, behind what the caller has not
/// taken of the piece before. 64 bytes behind a piece are readable.
class Pieces {
 public:
  static constexpr std::size_t kBytes = 256u << 10;

  explicit Pieces(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY)) {
    if (fd_ < 0) fail("cannot read " + path);
  }
  ~Pieces() { ::close(fd_); }
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  /// What was not taken yet and more behind it; false at the end of the file.
  [[nodiscard]] bool next(std::string_view& piece) {
    if (rest_.size() > kBytes) fail("what is left of a piece is too long");
    char* const read_to = memory_->bytes.data() + kBytes;
    char* const begin = std::copy_backward(rest_.begin(), rest_.end(), read_to);
    const ssize_t got = ::read(fd_, read_to, kBytes);
    if (got < 0) fail("cannot read on");
    piece = rest_ = {begin, rest_.size() + static_cast<std::size_t>(got)};
    return got > 0;
  }
  void take(std::size_t bytes) { rest_.remove_prefix(bytes); }

 private:
  struct alignas(64) Memory {
    std::array<char, 2 * kBytes + 64> bytes;
  };
  const int fd_;
  const std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();
  std::string_view rest_;
};

/// Calls `use` with whole lines at a time. A last line without an end is left out.
template <typename Use>
void each_piece_of_lines(const std::string& path, Use use) {
  Pieces pieces{path};
  for (std::string_view piece; pieces.next(piece);) {
    const std::size_t whole = piece.rfind('\n') + 1;  // 0: none.
    use(piece.substr(0, whole));
    pieces.take(whole);
  }
}

}  // namespace fleetmeter::figures
