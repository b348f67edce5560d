#include "parsers/unpacker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <random>

#include "tests/parsers/recorder.h"
#include "tests/parsers/samples.h"

namespace fleetmeter::parsers::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string flow_lines(std::uint32_t seed, std::size_t bytes_min) {
  std::mt19937 random{seed};
  std::string lines;
  while (lines.size() < bytes_min) {
    lines += "2 123456789010 eni-" + std::to_string(random()) + " 10.0.0." +
             std::to_string(random() % 256) + " 10.0.1.2 " + std::to_string(random() % 65536) +
             " 22 6 20 " + std::to_string(random()) + " 1418530010 1418530070 ACCEPT OK\n";
  }
  return lines;
}

struct Deflating {
  int level = 6;
  int strategy = Z_DEFAULT_STRATEGY;
  int window_bits = 15;
  int flush = Z_NO_FLUSH;  ///< After every so many bytes.
  std::size_t flush_bytes = 10'000;
};

std::string gzip_as(std::string_view plain, const Deflating& how) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, how.level, Z_DEFLATED, how.window_bits + 16, 8, how.strategy),
            Z_OK);
  std::string out(2 * plain.size() + 100'000, '\0');
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  while (!plain.empty()) {
    const std::string_view part = plain.substr(0, how.flush_bytes);
    plain.remove_prefix(part.size());
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));
    stream.avail_in = static_cast<uInt>(part.size());
    EXPECT_EQ(deflate(&stream, how.flush), Z_OK);
  }
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// One frame, with a block ended after every so many bytes.
std::string zstd_flushed(std::string_view plain, std::size_t flush_bytes) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  std::string out(ZSTD_compressBound(plain.size()) + 100'000, '\0');
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  while (!plain.empty()) {
    const std::string_view part = plain.substr(0, flush_bytes);
    plain.remove_prefix(part.size());
    ZSTD_inBuffer from{part.data(), part.size(), 0};
    const auto how = plain.empty() ? ZSTD_e_end : ZSTD_e_flush;
    EXPECT_EQ(ZSTD_compressStream2(context, &to, &from, how), 0u);
  }
  ZSTD_freeCCtx(context);
  out.resize(to.pos);
  return out;
}

/// Everything `bytes` inflate to, by input and output of random sizes.
std::string inflate_in_cuts(Inflater inflater, std::string_view bytes, std::uint32_t seed) {
  std::mt19937 random{seed};
  std::string plain;
  std::string out(100'000, '\0');
  std::string_view given;
  InflateResult result{InflateStatus::kNeedInput, 0, 0};
  while (!bytes.empty() || result.status == InflateStatus::kNeedRoom) {
    given = bytes.substr(0, 1 + random() % (seed % 2 == 0 ? 40'000 : 50));
    result = inflater.inflate(given, out.data(), 1 + random() % (seed % 3 == 0 ? 100'000 : 300));
    bytes.remove_prefix(result.taken_bytes);
    plain.append(out, 0, result.put_bytes);
    if (result.status == InflateStatus::kDamaged) return "damaged";
  }
  return inflater.between_members() ? plain : "cut";
}

TEST(Inflater, BothLibrariesInflateWhatAnyStrategyDeflates) {
  const std::string lines = flow_lines(1, 150'000);
  std::string noise(40'000, '\0');
  std::mt19937 random{2};
  std::generate(noise.begin(), noise.end(), [&] { return static_cast<char>(random()); });
  std::vector<Deflating> hows;
  for (int level = 0; level <= 9; ++level) hows.push_back({.level = level});
  for (const int strategy : {Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED})
    hows.push_back({.strategy = strategy});
  for (int bits = 9; bits < 15; ++bits) hows.push_back({.window_bits = bits});
  for (const int flush : {Z_PARTIAL_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_BLOCK})
    hows.push_back({.flush = flush, .flush_bytes = 777});
  for (std::uint32_t seed = 0; seed < 3; ++seed) {
    for (const std::string& plain : {lines, noise, std::string(70'000, 'a'), std::string("a")}) {
      for (const Deflating& how : hows) {
        const std::string bytes = gzip_as(plain, how) + gzip_as("behind", how);
        for (const auto by : {Inflater::Gzip::kFastest, Inflater::Gzip::kZlib}) {
          ASSERT_EQ(inflate_in_cuts(Inflater{Compression::kGzip, by}, bytes, seed),
                    plain + "behind")
              << "level " << how.level << ", strategy " << how.strategy << ", window "
              << how.window_bits << ", flush " << how.flush << ", seed " << seed;
        }
      }
    }
  }
}

/// What the one library reads the other reads too: no member needs the slower of them.
TEST(Inflater, BothLibrariesAgreeOnWhatIsDamaged) {
  const std::string good = gzip(flow_lines(3, 2'000));
  std::mt19937 random{4};
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (auto n = 1 + random() % 3; n > 0; --n)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto by = [&](Inflater::Gzip library) {
      return inflate_in_cuts(Inflater{Compression::kGzip, library}, bytes, 0);
    };
    const std::string fastest = by(Inflater::Gzip::kFastest);
    const std::string zlib = by(Inflater::Gzip::kZlib);
    ASSERT_EQ(fastest == "damaged" || fastest == "cut", zlib == "damaged" || zlib == "cut") << i;
    if (zlib != "damaged" && zlib != "cut") {
      ASSERT_EQ(fastest, zlib) << i;
    }
  }
}

long peak_kib() {
  struct rusage used {};
  getrusage(RUSAGE_SELF, &used);
  return used.ru_maxrss;
}

/// Even where line feeds are symbols of their own, of which ISA-L looks up three at once.
TEST(Unpacker, EveryLineOfACutMemberIsKeptThatItsBitsTellOf) {
  const std::string bytes = gzip_as(flow_lines(4, 60'000), {.strategy = Z_HUFFMAN_ONLY});
  std::string plain(60'000, '\0');
  for (std::size_t cut = 20'000; cut < 20'300; ++cut) {
    const std::string_view kept = std::string_view(bytes).substr(0, cut);
    Inflater zlib{Compression::kGzip, Inflater::Gzip::kZlib};
    const InflateResult told = zlib.inflate(kept, plain.data(), plain.size());
    ASSERT_EQ(told.status, InflateStatus::kNeedInput);
    const auto lines =
        std::count(plain.data(), plain.data() + static_cast<std::ptrdiff_t>(told.put_bytes), '\n');
    const Decoded decoded = decode_stream(kept, 1'000);
    ASSERT_EQ(decoded.flows.size(), static_cast<std::size_t>(lines)) << "cut at " << cut;
    EXPECT_FALSE(decoded.whole);
  }
}

TEST(Unpacker, AGzipHeaderThatNeverEndsTakesNoMemory) {
  const long before = peak_kib();
  for (const char flag : {'\x08', '\x10'}) {  // A file name, a comment.
    Recorder recorder;
    Decoder decoder{{}, recorder};
    decoder.feed(std::string("\x1f\x8b\x08", 3) + flag + std::string(6, '\0'));
    const std::string name(1 << 20, 'x');
    for (int i = 0; i < 64; ++i) decoder.feed(name);
    EXPECT_TRUE(decoder.inside_member());
    EXPECT_FALSE(decoder.finish());
    EXPECT_EQ(decoder.counts().dropped[static_cast<std::size_t>(PayloadDrop::kTruncated)], 1u);
    EXPECT_EQ(decoder.position(), StreamPosition{});
  }
  EXPECT_LT(peak_kib() - before, 8 * 1024);
}

/// A frame header that asks for a window of 2^(10 + exponent) bytes, and a block of "lines".
std::string zstd_with_window(int exponent, std::string_view lines) {
  std::string frame("\x28\xb5\x2f\xfd\x00", 5);
  frame += static_cast<char>(exponent << 3);
  const std::size_t block = lines.size() << 3 | 1;  // The last one, raw.
  for (int shift = 0; shift < 24; shift += 8) frame += static_cast<char>(block >> shift);
  return frame.append(lines);
}

TEST(Unpacker, AZstdFrameThatWantsTooLargeAWindowIsRefusedWithMemoryFlat) {
  EXPECT_EQ(decode_stream(zstd_with_window(10, kOkLine), 1000).flows.size(), 1u);
  const long before = peak_kib();
  for (const int exponent : {18, 21, 31}) {  // 256 MiB, 2 GiB, 2 TiB.
    const std::string bytes = zstd(kOkLine) + zstd_with_window(exponent, kOkLine);
    for (const Decoded& decoded :
         {decode_message(bytes), decode_stream(bytes, 7), decode_stream(bytes, 1000)}) {
      EXPECT_EQ(decoded.flows.size(), 1u) << "What came before is kept.";
      EXPECT_EQ(decoded.dropped(PayloadDrop::kTooLarge), 1u) << exponent;
      EXPECT_EQ(decoded.dropped(PayloadDrop::kBadGzip), 0u);
    }
    EXPECT_FALSE(decode_stream(bytes, 1000).whole);
  }
  EXPECT_LT(peak_kib() - before, 8 * 1024);
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.feed(zstd_with_window(21, kOkLine));
  EXPECT_TRUE(decoder.damaged());
  EXPECT_THAT(decoder.problem(), HasSubstr("128 MiB"));
}

/// libzstd takes a whole block before it gives any of it: all input may be taken while there is
/// more to come than there is room for.
TEST(Unpacker, WhatALibraryStillHoldsWhenAllInputIsTakenIsNotLost) {
  const std::string lines = flow_lines(5, 700'000);
  const auto count = static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  for (const std::size_t flush : {90'000u, 100'000u, 110'000u, 333'333u}) {
    for (const std::string& bytes : {zstd_flushed(lines, flush), gzip(lines)}) {
      for (const Decoded& decoded :
           {decode_message(bytes), decode_stream(bytes, bytes.size()), decode_stream(bytes, 777),
            decode_message(gzip(bytes)), decode_stream(gzip(bytes), 100'000)}) {
        EXPECT_TRUE(decoded.whole) << flush;
        EXPECT_EQ(decoded.dropped(PayloadDrop::kTruncated), 0u) << flush;
        EXPECT_EQ(decoded.counts.flows.ok, count) << flush;
      }
    }
  }
}

TEST(Unpacker, APieceIsBoundedHoweverMuchTheInputShrankOrHoweverManyMembersItHas) {
  std::string members;
  for (int i = 0; i < 5'000; ++i) members += gzip(i % 2 == 0 ? "a" : "");
  for (const std::string& bytes : {gzip(std::string(20u << 20, '\n')), members}) {
    Unpacker unpacker;
    PieceRoom room;
    PlainPiece piece;
    std::string_view input = bytes;
    std::uint64_t plain = 0, raw = 0, ends = 0;
    for (bool more = true; more;) {
      more = unpacker.unpack(input, room, piece);
      EXPECT_LE(piece.plain.size(), PieceRoom::kBytes);
      EXPECT_LE(piece.member_ends.size(), PlainPiece::kMemberEndsMax);
      plain += piece.plain.size();
      raw += piece.raw_bytes;
      ends += piece.member_ends.size();
      if (!piece.member_ends.empty()) {
        EXPECT_LE(piece.member_ends.back().next_at_offset, raw);
      }
    }
    EXPECT_EQ(raw, bytes.size());
    EXPECT_EQ(plain, bytes == members ? 2'500u : 20u << 20);
    EXPECT_EQ(ends, bytes == members ? 5'000u : 1u);
    EXPECT_FALSE(piece.inside_member);
  }
}

/// Positions inside a record that spans more members than are remembered are just further back.
TEST(Unpacker, ARecordOverVeryManyMembersIsBoundedAndResumesExactly) {
  std::string members;
  for (int i = 0; i < 10'000; ++i) members += gzip(i == 0 ? "{\"message\":\"" : " ");
  members += gzip("\"}\n" + std::string{kOkLine} + "2 12");
  for (const std::size_t stop : {members.size() / 2, members.size()}) {
    Recorder before;
    Decoder first{{}, before};
    first.feed(std::string_view{members}.substr(0, stop));
    const StreamPosition position = first.position();
    EXPECT_EQ(before.flows.size(), stop == members.size() ? 1u : 0u);
    Recorder after;
    Decoder second{{}, after};
    second.resume(position);
    const std::string rest = members.substr(position.member_start) +
                             gzip(std::string{kOkLine.substr(4)} + std::string{kOkLine});
    second.feed(rest);
    EXPECT_TRUE(second.finish());
    EXPECT_EQ(before.flows.size() + after.flows.size(), 3u);
  }
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
