#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "parsers/flow_columns.h"

namespace fleetmeter::parsers {

// What a SIMD kernel does, in pieces that know nothing of layouts: find the blanks of a stretch of
// text, turn lines into columns of tokens, decode one column of a tile. flow_tile.cc puts them
// together, flow_avx2.cc and flow_avx512.cc write them. Positions are bytes from the beginning of
// the parsed buffer.

/// Lines that are decoded together, a column at a time; one bit each in every mask.
inline constexpr std::size_t kTileRows = 64;
/// Layouts of more columns go to the scalar kernel (the widest of AWS has 54).
inline constexpr std::size_t kTileColumnsMax = 64;
/// Tokens are read 16 bytes at a time, so that many have to be readable behind a line feed.
inline constexpr std::size_t kTokenOverread = 16;

inline constexpr std::size_t kScanBlock = 64;
inline constexpr std::size_t kScanBlocks = 64;
/// Blanks of the unfinished line that are carried to the next stretch.
inline constexpr std::size_t kScanCarry = 512;

/// The blanks (bytes <= 0x20) of a stretch of text, and which of them end lines.
struct FlowScan {
  static constexpr std::uint32_t kOdd = std::uint32_t{1} << 31;

  /// Positions in rising order. Entry 0 lies before the first line (the line feed of the line
  /// before, or -1). Kernels write 64 past the end and read kTileColumnsMax more.
  std::array<std::uint32_t, kScanCarry + kScanBlocks * kScanBlock + 64 + kTileColumnsMax> blanks;
  std::uint32_t blank_count = 0;
  /// Index in `blanks` of each line's feed; kOdd is set when the line holds a byte that flow
  /// logs have none of, or a blank after a blank (its line feed apart).
  std::array<std::uint32_t, kScanBlocks * kScanBlock + 1> lines;
  std::uint32_t line_count = 0;
  std::uint64_t is_after_blank = 1;  ///< The last byte scanned was a blank.
  bool is_odd = false;               ///< So far, the unfinished line.
};

/// The masks of one block, lowest bit first.
struct BlockMasks {
  std::uint64_t blanks;
  std::uint64_t line_feeds;
  std::uint64_t strange;  ///< Below 0x20 but no CR and no line feed; or behind 'z': a brace.
};

/// Asks for the text one stretch ahead of `block`: the processor's own look-ahead ends while a tile is
/// decoded, and a third of the time went by waiting. Past the buffer it does nothing.
inline void prefetch_next_stretch(const char* block) noexcept {
  constexpr std::uintptr_t kAhead = kScanBlocks * kScanBlock;
  __builtin_prefetch(
      reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(block) + kAhead));
}

/// Index of the first line feed of `feeds` among the blanks; with none, some number.
inline std::uint32_t index_of(std::uint64_t feeds, const BlockMasks& block,
                              const FlowScan& scan) noexcept {
  const std::uint64_t before = (feeds & (0 - feeds)) - 1;
  return scan.blank_count + static_cast<std::uint32_t>(std::popcount(block.blanks & before));
}

/// Adds the lines that end in a block; call it before the block's blanks are added. Most blocks
/// hold one line feed or none, which no branch can foresee: an entry is written in any case.
inline void add_lines(const BlockMasks& block, FlowScan& scan) noexcept {
  std::uint64_t odd = block.strange | (block.blanks & ~block.line_feeds &
                                       (block.blanks << 1 | scan.is_after_blank));
  scan.is_after_blank = block.blanks >> 63;
  std::uint32_t* const lines = scan.lines.data() + scan.line_count;
  const auto count = static_cast<std::uint32_t>(std::popcount(block.line_feeds));
  scan.line_count += count;
  lines[0] = index_of(block.line_feeds, block, scan);
  std::uint64_t rest = block.line_feeds & (block.line_feeds - 1);
  for (std::uint32_t i = 1; i < count; ++i, rest &= rest - 1)
    lines[i] = index_of(rest, block, scan);
  if ((odd != 0) | scan.is_odd) [[unlikely]] {
    rest = block.line_feeds;
    for (std::uint32_t i = 0; i < count; ++i, rest &= rest - 1) {
      const std::uint64_t before = (rest & (0 - rest)) - 1;
      if (scan.is_odd || (odd & before) != 0) lines[i] |= FlowScan::kOdd;
      scan.is_odd = false;
      odd &= ~before;
    }
    scan.is_odd = scan.is_odd || odd != 0;
  }
}

/// Token boundaries of a tile, column by column: token c of row r is the bytes
/// (ends[c][r], ends[c + 1][r]), both exclusive.
struct FlowBounds {
  /// Rows are written 16 at a time, from any.
  std::array<std::array<std::uint32_t, kTileRows + 16>, kTileColumnsMax + 1> ends;
};

/// One column of a tile. Boundaries are valid up to the next multiple of 16 rows, and that many
/// results are written.
struct FlowTokens {
  const char* text;
  const std::uint32_t* before;  ///< Position before the first byte.
  const std::uint32_t* end;     ///< Position after the last byte.
  std::uint32_t rows;

  [[nodiscard]] std::string_view view(std::uint32_t row) const noexcept {
    const std::uint32_t begin = before[row] + 1;
    return {text + begin, end[row] - begin};
  }
};

/// How this library lays a view out; both words are written at once.
[[nodiscard]] inline bool is_length_first() noexcept {
  const std::string_view probe{"", 1};
  std::uintptr_t words[2];
  static_assert(sizeof words == sizeof probe);
  std::memcpy(words, &probe, sizeof words);
  return words[0] == 1;
}

/// Rows whose token is "-", and rows whose token this kernel could not decode: broken, or merely
/// out of the ordinary. What is written for either is unspecified.
struct FlowFound {
  std::uint64_t absent;
  std::uint64_t bad;
};

/// Up to three words of 1 to 8 bytes and what they decode to.
struct FlowWords {
  std::array<std::uint64_t, 3> words;  ///< See word_of; unused ones repeat the first.
  std::array<std::uint8_t, 3> codes;
};

/// A word as it is compared: its last byte on top, zeros below.
[[nodiscard]] constexpr std::uint64_t word_of(std::string_view text) noexcept {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    word |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * (8 - text.size() + i));
  return word;
}

struct FlowKernelOps {
  /// Scans `blocks` blocks of text, kScanBlocks at most, of which the first lies at `position`.
  void (*scan)(const char* text, std::size_t blocks, std::uint32_t position, FlowScan& scan);
  /// Row `row + i` of ends[1..columns] becomes blanks[first[i] ..], for 16 rows.
  void (*fill)(const std::uint32_t* blanks, const std::uint32_t* first, std::uint32_t row,
               std::size_t columns, FlowBounds& bounds);
  /// Decimal digits up to `max`; absent ones become 0.
  FlowFound (*numbers)(const FlowTokens& tokens, std::uint64_t max, std::uint64_t* out);
  /// Dotted IPv4; anything else, "-" too, is bad.
  FlowFound (*addresses)(const FlowTokens& tokens, IpAddress* out);
  /// Codes of words, 0 where there is none.
  FlowFound (*words)(const FlowTokens& tokens, const FlowWords& words, std::uint8_t* out);
  /// Views of the tokens, empty for absent ones; nothing is bad.
  FlowFound (*texts)(const FlowTokens& tokens, std::string_view* out);
  /// Moves the rows of `kept` to the front of a column of kTileRows entries of 1, 4, 8 or 16 bytes,
  /// in their order; what is behind them then is unspecified.
  void (*close_gaps)(void* column, std::size_t entry_bytes, std::uint64_t kept);
};

[[nodiscard]] const FlowKernelOps& avx2_flow_ops() noexcept;
[[nodiscard]] const FlowKernelOps& avx512_flow_ops() noexcept;

/// The shuffles that bring the octets of a dotted address into four groups of (hundreds, tens,
/// ones, nothing), found by where its dots and its end are.
struct Ipv4Shuffles {
  /// Of the bit mask of the three dots and the end; no two of the 81 legal masks share it.
  static constexpr std::uint32_t slot(std::uint32_t mask) noexcept {
    return (mask * 0x112c84a0u) >> 24;
  }
  alignas(64) std::array<std::array<std::uint8_t, 16>, 256> shuffle;
  std::array<std::uint16_t, 256> mask;  ///< The legal mask of each slot, 0 where there is none.
};

constexpr Ipv4Shuffles make_ipv4_shuffles() noexcept {
  Ipv4Shuffles made{};
  for (int form = 0; form < 81; ++form) {
    const int lengths[4] = {form / 27 + 1, form / 9 % 3 + 1, form / 3 % 3 + 1, form % 3 + 1};
    std::array<std::uint8_t, 16> shuffle{};
    std::uint32_t mask = 0;
    int end = -1;
    for (std::size_t octet = 0; octet < 4; ++octet) {
      const int begin = end + 1;
      end = begin + lengths[octet];
      mask |= 1u << end;
      for (int digit = 0; digit < 3; ++digit) {
        const int from = end - 3 + digit;
        shuffle[octet * 4 + static_cast<std::size_t>(digit)] =
            from >= begin ? static_cast<std::uint8_t>(from) : 0x80;
      }
      shuffle[octet * 4 + 3] = 0x80;
    }
    const std::uint32_t slot = Ipv4Shuffles::slot(mask);
    if (made.mask[slot] != 0) return {};  // Two masks in one slot: no table.
    made.mask[slot] = static_cast<std::uint16_t>(mask);
    made.shuffle[slot] = shuffle;
  }
  return made;
}
inline constexpr Ipv4Shuffles kIpv4Shuffles = make_ipv4_shuffles();
static_assert(kIpv4Shuffles.mask[Ipv4Shuffles::slot(0b10101010)] == 0b10101010);

/// Digits of an octet that is longer than "0" and begins with it, as bits of the text: `lanes`
/// holds 16 bits an address, `zeros` where its zeros are and `marks` its dots and end.
[[nodiscard]] constexpr std::uint64_t leading_zeros(std::uint64_t zeros,
                                                    std::uint64_t marks) noexcept {
  return zeros & (marks << 1 | 0x0001000100010001) & ~(marks >> 1);
}

}  // namespace fleetmeter::parsers
