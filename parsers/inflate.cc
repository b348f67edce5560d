#include "parsers/inflate.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#if FLEETMETER_ISAL
#include <isa-l/igzip_lib.h>
#endif

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace fleetmeter::parsers {
namespace {

constexpr std::size_t kPieceMax = std::numeric_limits<std::uint32_t>::max() / 2;
constexpr int kZstdWindowLogMax = 27;
static_assert(std::size_t{1} << kZstdWindowLogMax == kZstdWindowBytesMax);
constexpr int kZlibFormat = 15;  // Both with the largest window there is.
constexpr int kGzipFormat = 15 + 16;

#if FLEETMETER_ISAL
/// Reads a gzip header, which may be cut anywhere (ISA-L's own reader forgets its flags between
/// calls). RFC 1952, section 2.3.
class GzipHeader {
 public:
  enum class Status : std::uint8_t { kMore, kDone, kBad };

  /// Takes from the front of `input` what belongs to the header; kMore: all of it does.
  Status take(std::string_view& input) noexcept {
    while (!input.empty() && part_ != Part::kDone) {
      const std::size_t run = std::max<std::size_t>(passed_over(input), 1);
      crc_ = static_cast<std::uint32_t>(
          crc32(crc_, reinterpret_cast<const Bytef*>(input.data()), static_cast<uInt>(run)));
      const auto last = static_cast<unsigned char>(input[run - 1]);
      count_ += static_cast<std::uint32_t>(run - 1);
      input.remove_prefix(run);
      if (!take_byte(last)) return Status::kBad;
      skip_left_out();
    }
    return part_ == Part::kDone ? Status::kDone : Status::kMore;
  }

 private:
  enum class Part : std::uint8_t {
    kFixed,
    kExtraLength,
    kExtra,
    kName,
    kComment,
    kChecksum,
    kDone
  };
  enum : unsigned char {
    kFlagChecksum = 2,
    kFlagExtra = 4,
    kFlagName = 8,
    kFlagComment = 16,
    kFlagsReserved = 0xe0
  };

  /// Bytes at the front that mean nothing, and the one that ends them where it is there.
  [[nodiscard]] std::size_t passed_over(std::string_view input) const noexcept {
    const std::string_view piece = input.substr(0, kPieceMax);
    if (part_ == Part::kExtra) return std::min<std::size_t>(piece.size(), number_ - count_);
    if (part_ != Part::kName && part_ != Part::kComment) return 0;
    return std::min(piece.find('\0'), piece.size() - 1) + 1;
  }

  bool take_byte(unsigned char byte) noexcept {
    switch (part_) {
      case Part::kFixed:
        return take_fixed(byte);
      case Part::kExtraLength:
        number_ |= static_cast<std::uint32_t>(byte) << (8 * count_++);
        if (count_ == 2) start(number_ > 0 ? Part::kExtra : Part::kName, number_);
        break;
      case Part::kExtra:
        if (++count_ == number_) start(Part::kName, 0);
        break;
      case Part::kName:
        if (byte == 0) start(Part::kComment, 0);
        break;
      case Part::kComment:
        if (byte == 0) start(Part::kChecksum, 0);
        break;
      case Part::kChecksum:
        number_ |= static_cast<std::uint32_t>(byte) << (8 * count_++);
        if (count_ < 2) break;
        part_ = Part::kDone;
        return number_ == checked_;
      case Part::kDone:
        break;
    }
    return true;
  }

  bool take_fixed(unsigned char byte) noexcept {
    constexpr unsigned char kMagic[3] = {0x1f, 0x8b, 8};  // Deflate is the only method there is.
    if (count_ < 3 && byte != kMagic[count_]) return false;
    if (count_ == 3) flags_ = byte;
    if (count_ == 3 && (flags_ & kFlagsReserved) != 0) return false;
    if (++count_ == 10) start(Part::kExtraLength, 0);
    return true;
  }

  void start(Part part, std::uint32_t number) noexcept {
    part_ = part;
    count_ = 0;
    number_ = number;
    if (part == Part::kChecksum) checked_ = crc_ & 0xffff;
  }

  void skip_left_out() noexcept {
    if (part_ == Part::kExtraLength && (flags_ & kFlagExtra) == 0) start(Part::kName, 0);
    if (part_ == Part::kName && (flags_ & kFlagName) == 0) start(Part::kComment, 0);
    if (part_ == Part::kComment && (flags_ & kFlagComment) == 0) start(Part::kChecksum, 0);
    if (part_ == Part::kChecksum && (flags_ & kFlagChecksum) == 0) part_ = Part::kDone;
  }

  Part part_ = Part::kFixed;
  unsigned char flags_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t number_ = 0;
  std::uint32_t crc_ = 0;
  std::uint32_t checked_ = 0;
};
#endif

}  // namespace

struct Inflater::State {
  State(Compression kind, [[maybe_unused]] Gzip gzip_by) : compression(kind) {
#if FLEETMETER_ISAL
    if (kind == Compression::kGzip && gzip_by == Gzip::kFastest) {
      isal = std::make_unique_for_overwrite<inflate_state>();  // Each member initialises it.
      return;
    }
#endif
    if (kind == Compression::kGzip || kind == Compression::kZlib) {
      zlib = std::make_unique<z_stream>();
      const int format = kind == Compression::kGzip ? kGzipFormat : kZlibFormat;
      if (inflateInit2(zlib.get(), format) != Z_OK) zlib.reset();
    }
    if (kind == Compression::kZstd) {
      zstd = ZSTD_createDStream();
      if (zstd != nullptr) ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, kZstdWindowLogMax);
    }
  }
  ~State() {
    if (zlib) inflateEnd(zlib.get());
    if (zstd != nullptr) ZSTD_freeDStream(zstd);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  InflateResult end_member(InflateResult result) noexcept {
    started = false;
    result.status = InflateStatus::kMemberEnd;
    return result;
  }

  InflateResult fail(InflateResult result) const noexcept {
    result.status = InflateStatus::kDamaged;
    return result;
  }

#if FLEETMETER_ISAL
  InflateResult run_isal(std::string_view input, char* output, std::size_t room) {
    InflateResult result{InflateStatus::kNeedInput, 0, 0};
    if (!started) {
      header = GzipHeader{};
      in_header = true;
      started = true;
    }
    if (in_header) {
      std::string_view rest = input;
      const auto status = header.take(rest);
      result.taken_bytes = input.size() - rest.size();
      if (status == GzipHeader::Status::kBad) return fail(result);
      if (status == GzipHeader::Status::kMore) return result;
      in_header = false;
      isal_inflate_init(isal.get());
      isal->crc_flag = ISAL_GZIP_NO_HDR_VER;  // The trailer's checksum and size are verified.
    }
    const std::size_t given = std::min(input.size() - result.taken_bytes, kPieceMax);
    // ISA-L reads through a non-const pointer and does not write.
    isal->next_in =
        reinterpret_cast<std::uint8_t*>(const_cast<char*>(input.data() + result.taken_bytes));
    isal->avail_in = static_cast<std::uint32_t>(given);
    isal->next_out = reinterpret_cast<std::uint8_t*>(output);
    isal->avail_out = static_cast<std::uint32_t>(std::min(room, kPieceMax));
    const std::uint32_t room_given = isal->avail_out;
    const int status = isal_inflate(isal.get());
    // Of damaged data ISA-L may count some bytes as taken that are not there.
    const bool miscounted = isal->avail_in > given;
    result.taken_bytes += miscounted ? given : given - isal->avail_in;
    result.put_bytes = room_given - isal->avail_out;
    if (status != ISAL_DECOMP_OK || miscounted) return fail(result);
    if (isal->block_state == ISAL_BLOCK_FINISH) return end_member(result);
    result.status = isal->avail_out == 0 ? InflateStatus::kNeedRoom : InflateStatus::kNeedInput;
    return result;
  }
#endif

#if FLEETMETER_ISAL
  /// What would be put out next if every bit that follows were the lowest of `following` and all
  /// that was put out before were bytes `before`.
  std::size_t try_isal(int following, int before, char (&output)[kHeldBackBytesMax]) const {
    const auto copy = std::make_unique_for_overwrite<inflate_state>();
    *copy = *isal;
    std::memset(copy->tmp_out_buffer, before, sizeof copy->tmp_out_buffer);
    std::uint8_t more[8];  // The bits of a symbol are six bytes at most.
    std::memset(more, following, sizeof more);
    copy->next_in = more;
    copy->avail_in = sizeof more;
    copy->next_out = reinterpret_cast<std::uint8_t*>(output);
    copy->avail_out = sizeof output;
    (void)isal_inflate(copy.get());  // Damaged or not: what it puts out is compared.
    return sizeof output - copy->avail_out;
  }

  /// The literals that the bits left here tell in full are those that come out alike whatever bits
  /// follow and whatever was put out before. A symbol short of bits is one with zeros behind it and
  /// another with ones, since no code word begins another (RFC 1951, 3.2.2); a match copies zeros
  /// or ones of the history, but its second byte may be a copy of a literal right before it.
  std::size_t held_back_by_isal(char (&output)[kHeldBackBytesMax]) const {
    std::size_t common = try_isal(0, 0, output);
    constexpr std::pair<int, int> kOtherTrials[] = {{0, 0xff}, {0xff, 0}, {0xff, 0xff}};
    for (const auto& [following, before] : kOtherTrials) {
      char other[kHeldBackBytesMax];
      common = std::min(common, try_isal(following, before, other));
      common =
          static_cast<std::size_t>(std::mismatch(output, output + common, other).first - output);
    }
    return common == 2 && output[0] == output[1] ? 1 : common;
  }
#endif

  InflateResult run_zlib(std::string_view input, char* output, std::size_t room) {
    if (!zlib || (!started && inflateReset(zlib.get()) != Z_OK))
      return {InflateStatus::kDamaged, 0, 0};
    started = true;
    zlib->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    zlib->avail_in = static_cast<uInt>(std::min(input.size(), kPieceMax));
    zlib->next_out = reinterpret_cast<Bytef*>(output);
    zlib->avail_out = static_cast<uInt>(std::min(room, kPieceMax));
    const uInt in_given = zlib->avail_in;
    const uInt room_given = zlib->avail_out;
    const int status = ::inflate(zlib.get(), Z_NO_FLUSH);
    InflateResult result{InflateStatus::kNeedInput, in_given - zlib->avail_in,
                         room_given - zlib->avail_out};
    if (status == Z_STREAM_END) return end_member(result);
    if (status != Z_OK && status != Z_BUF_ERROR) return fail(result);
    if (zlib->avail_out == 0) result.status = InflateStatus::kNeedRoom;
    return result;
  }

  InflateResult run_zstd(std::string_view input, char* output, std::size_t room) {
    if (zstd == nullptr) return {InflateStatus::kDamaged, 0, 0};
    if (!started) ZSTD_initDStream(zstd);
    started = true;
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer out{output, room, 0};
    const std::size_t left = ZSTD_decompressStream(zstd, &out, &in);
    InflateResult result{InflateStatus::kNeedInput, in.pos, out.pos};
    if (ZSTD_isError(left) != 0) {
      result.status = ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge
                          ? InflateStatus::kTooLarge
                          : InflateStatus::kDamaged;
      return result;
    }
    if (left == 0) return end_member(result);
    if (out.pos == out.size) result.status = InflateStatus::kNeedRoom;
    return result;
  }

  Compression compression;
  bool started = false;  // Inside a member.
#if FLEETMETER_ISAL
  bool in_header = false;
  GzipHeader header;
  std::unique_ptr<inflate_state> isal;
#endif
  std::unique_ptr<z_stream> zlib;
  ZSTD_DStream* zstd = nullptr;
};

Compression compression_of(std::string_view bytes) noexcept {
  const auto at = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u;
  };
  if (at(0) == 0x1f && at(1) == 0x8b) return Compression::kGzip;
  if (at(0) == 0x78 && (at(1) == 0x01 || at(1) == 0x5e || at(1) == 0x9c || at(1) == 0xda))
    return Compression::kZlib;
  const bool skippable =
      at(0) >= 0x50 && at(0) <= 0x5f && at(1) == 0x2a && at(2) == 0x4d && at(3) == 0x18;
  const bool frame = at(0) == 0x28 && at(1) == 0xb5 && at(2) == 0x2f && at(3) == 0xfd;
  return skippable || frame ? Compression::kZstd : Compression::kNone;
}

std::size_t member_padding_bytes(std::string_view bytes) noexcept {
  constexpr std::string_view kPadding{"\0\n\r", 3};
  return std::min(bytes.find_first_not_of(kPadding), bytes.size());
}

Inflater::Inflater(Compression compression, Gzip gzip)
    : state_(std::make_unique<State>(compression, gzip)) {}
Inflater::~Inflater() = default;
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;

std::size_t Inflater::held_back([[maybe_unused]] char (&output)[kHeldBackBytesMax]) const {
#if FLEETMETER_ISAL
  if (state_->isal && state_->started && !state_->in_header)
    return state_->held_back_by_isal(output);
#endif
  return 0;
}

bool Inflater::between_members() const noexcept { return !state_->started; }

InflateResult Inflater::inflate(std::string_view input, char* output, std::size_t output_bytes) {
  if (input.empty() && !state_->started) return {InflateStatus::kNeedInput, 0, 0};
  switch (state_->compression) {
    case Compression::kGzip:
#if FLEETMETER_ISAL
      if (state_->isal) return state_->run_isal(input, output, output_bytes);
#endif
      return state_->run_zlib(input, output, output_bytes);
    case Compression::kZlib:
      return state_->run_zlib(input, output, output_bytes);
    case Compression::kZstd:
      return state_->run_zstd(input, output, output_bytes);
    case Compression::kNone:
      break;
  }
  return {InflateStatus::kDamaged, 0, 0};
}

}  // namespace fleetmeter::parsers
