#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "bench/figures/figures.h"
#include "parsers/byte_buffer.h"

namespace fleetmeter::figures {

/// A file read a piece at a time, so that a ceiling reads it as cheaply as can be: the buffer stays
/// in the cache. Of every piece the caller says how much it took; 64 bytes behind it are readable.
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
    const ssize_t got = ::read(fd_, buffer_.prepare(kBytes), kBytes);
    if (got < 0) fail("cannot read on");
    buffer_.commit(static_cast<std::size_t>(got));
    piece = buffer_.view();
    return got > 0;
  }
  void take(std::size_t bytes) { buffer_.consume(bytes); }

 private:
  const int fd_;
  parsers::ByteBuffer buffer_;
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
