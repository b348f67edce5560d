#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "parsers/unpacker.h"

namespace fleetmeter::ingest {

/// Whether a thread of its own inflates a compressed file, ahead of the one that parses.
enum class InflateAhead : std::uint8_t {
  kWhereItPays,  ///< A MiB or more, and a core to spare: half of them inflate at most.
  kAlways,
  kNever,
};

/// Memory that reading files takes, whatever they hold: made once, used by one file after another.
/// Half a MiB, and 5 MiB more once anything is inflated ahead.
struct PieceMemory {
  static constexpr std::size_t kReadBytes = 256 * 1024;
  /// Enough for the inflating to go on during a commit.
  static constexpr std::size_t kAheadPieces = 16;
  struct Slot {
    parsers::PieceRoom room;
    parsers::PlainPiece piece;
  };
  /// On a cache line's border: read(2) copies several times slower to anywhere else (measured on
  /// Zen 3, 14 and 67 ms for 110 MB).
  struct alignas(64) Chunk {
    std::array<char, kReadBytes> bytes;
  };
  std::unique_ptr<Chunk> chunk = std::make_unique_for_overwrite<Chunk>();
  Slot slot;
  std::unique_ptr<std::array<Slot, kAheadPieces>> ahead;
};

/// A stretch of reading one file: read(2) and unpack, a piece at a time, here or ahead on another
/// thread. What the pieces are depends on the file and on where the turn begins, not on who
/// inflates them when. The file and its unpacker belong to the turn while it lasts; at its end all
/// that was read is unpacked. A turn that is left before its end has lost what lay ahead: the file
/// has to be opened anew at a position. One thread's.
class FileTurn {
 public:
  /// At most `bytes_max` of the file, up to a whole read. `waits`: a pipe, which is asked for a
  /// while whether there is anything to read.
  FileTurn(int fd, bool waits, parsers::Unpacker& unpacker, PieceMemory& memory,
           std::uint64_t bytes_max, InflateAhead ahead);
  ~FileTurn();
  FileTurn(const FileTurn&) = delete;
  FileTurn& operator=(const FileTurn&) = delete;

  enum class Step : std::uint8_t {
    kPiece,
    kEnoughRead,
    kNothingYet,  ///< The pipe is silent.
    kFileEnd,     ///< The present one.
    kFailed,      ///< It cannot be read: error_number().
  };
  /// The next piece, which stays until the next call; null with any other step, the turn's end.
  struct Next {
    Step step;
    const parsers::PlainPiece* piece;
  };
  [[nodiscard]] Next next();
  [[nodiscard]] int error_number() const noexcept;

 private:
  struct Reading;
  class Ahead;
  PieceMemory& memory_;
  std::unique_ptr<Reading> reading_;
  std::unique_ptr<Ahead> ahead_;
};

}  // namespace fleetmeter::ingest
