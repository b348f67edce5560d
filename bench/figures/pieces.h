#pragma once

#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "bench/figures/figures.h"

namespace fleetmeter::figures {

/// What a ceiling reads: a file as it is.
class PlainFile {
 public:
  explicit PlainFile(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY)) {
    if (fd_ < 0) fail("cannot read " + path);
  }
  ~PlainFile() { ::close(fd_); }
  PlainFile(const PlainFile&) = delete;
  PlainFile& operator=(const PlainFile&) = delete;

  /// 0 at the end.
  [[nodiscard]] std::size_t read(char* out, std::size_t bytes_max) {
    const ssize_t got = ::read(fd_, out, bytes_max);
    if (got < 0) fail("cannot read on");
    return static_cast<std::size_t>(got);
  }

 private:
  const int fd_;
};

/// A file of one gzip member, inflated by ISA-L.
class GzipFile {
 public:
  explicit GzipFile(const std::string& path) : path_(path), file_(path) {
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
  }

  [[nodiscard]] std::size_t read(char* out, std::size_t bytes_max) {
    state_->next_out = reinterpret_cast<std::uint8_t*>(out);
    state_->avail_out = static_cast<std::uint32_t>(bytes_max);
    while (state_->avail_out > 0 && state_->block_state != ISAL_BLOCK_FINISH) {
      if (state_->avail_in == 0 && !refill()) fail(path_ + " is cut");
      if (isal_inflate(state_.get()) != ISAL_DECOMP_OK) fail(path_ + " is damaged");
    }
    return bytes_max - state_->avail_out;
  }

 private:
  bool refill() {
    state_->next_in = reinterpret_cast<std::uint8_t*>(packed_->bytes.data());
    state_->avail_in =
        static_cast<std::uint32_t>(file_.read(packed_->bytes.data(), packed_->bytes.size()));
    return state_->avail_in > 0;
  }

  struct alignas(64) Memory {
    std::array<char, 256u << 10> bytes;
  };
  const std::string path_;
  PlainFile file_;
  const std::unique_ptr<Memory> packed_ = std::make_unique<Memory>();
  const std::unique_ptr<inflate_state> state_ = std::make_unique<inflate_state>();
};

/// A file read a piece at a time, so that a ceiling reads it as cheaply as can be: the buffer stays
/// in the cache, and what is read lands on a cache line's border, behind what the caller has not
/// taken of the piece before. 64 bytes behind a piece are readable.
template <typename File>
class Pieces {
 public:
  static constexpr std::size_t kBytes = 256u << 10;

  explicit Pieces(const std::string& path) : file_(path) {}

  /// What was not taken yet and more behind it; false at the end of the file.
  [[nodiscard]] bool next(std::string_view& piece) {
    if (rest_.size() > kBytes) fail("what is left of a piece is too long");
    char* const read_to = memory_->bytes.data() + kBytes;
    char* const begin = std::copy_backward(rest_.begin(), rest_.end(), read_to);
    const std::size_t got = file_.read(read_to, kBytes);
    piece = rest_ = {begin, rest_.size() + got};
    return got > 0;
  }
  void take(std::size_t bytes) { rest_.remove_prefix(bytes); }

 private:
  struct alignas(64) Memory {
    std::array<char, 2 * kBytes + 64> bytes;
  };
  File file_;
  const std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();
  std::string_view rest_;
};

/// Calls `use` with whole lines at a time. A last line without an end is left out.
template <typename File, typename Use>
void each_piece_of_lines(const std::string& path, Use use) {
  Pieces<File> pieces{path};
  for (std::string_view piece; pieces.next(piece);) {
    const std::size_t whole = piece.rfind('\n') + 1;  // 0: none.
    use(piece.substr(0, whole));
    pieces.take(whole);
  }
}

}  // namespace fleetmeter::figures
