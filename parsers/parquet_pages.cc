#include "parsers/parquet_pages.h"

#include <snappy.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "parsers/thrift_compact.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::size_t kHeaderBytesFirst = 512;
// Statistics in a header hold two values of any length.
constexpr std::size_t kHeaderBytesMax = 1u << 20;
constexpr std::size_t kReadablePastEnd = 8;
constexpr std::int64_t kDataPage = 0;
constexpr std::int64_t kDictionaryPage = 2;
constexpr std::int64_t kDataPageV2 = 3;
constexpr std::int64_t kRleLevels = 3;

std::uint32_t load_u32(const char* at) noexcept {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// One inflater of a kind serves all pages: building one costs more than a small page.
Inflater& inflater_of(std::unique_ptr<Inflater>& kept, Compression compression) {
  // Inside a member: the page before was damaged.
  if (!kept || !kept->between_members()) kept = std::make_unique<Inflater>(compression);
  return *kept;
}

bool inflate_all(Inflater& inflater, std::string_view from, char* out, std::size_t count) {
  std::size_t put = 0;
  for (;;) {
    // More room than is asked for, so that a page that inflates to more shows.
    const InflateResult result = inflater.inflate(from, out + put, count + kReadablePastEnd - put);
    from.remove_prefix(result.taken_bytes);
    put += result.put_bytes;
    if (put > count || result.status != InflateStatus::kMemberEnd) return false;
    if (from.empty()) return put == count;
  }
}

bool inflate_page(ParquetContext& context, std::uint8_t codec, std::string_view from, char* out,
                  std::size_t count) {
  if (from.empty()) return count == 0;
  switch (static_cast<ParquetCodec>(codec)) {
    case ParquetCodec::kNone:
      if (from.size() != count) return false;
      std::memcpy(out, from.data(), count);
      return true;
    case ParquetCodec::kSnappy: {
      std::size_t length = 0;
      return snappy::GetUncompressedLength(from.data(), from.size(), &length) && length == count &&
             snappy::RawUncompress(from.data(), from.size(), out);
    }
    case ParquetCodec::kGzip: {
      const bool is_zlib = compression_of(from) == Compression::kZlib;
      Inflater& inflater = is_zlib ? inflater_of(context.zlib, Compression::kZlib)
                                   : inflater_of(context.gzip, Compression::kGzip);
      return inflate_all(inflater, from, out, count);
    }
    case ParquetCodec::kZstd:
      return inflate_all(inflater_of(context.zstd, Compression::kZstd), from, out, count);
  }
  return false;
}

}  // namespace

char* ParquetBuffer::room(std::size_t count, std::size_t& allowance) {
  if (count > capacity_ || !bytes_) {
    allowance += capacity_;
    bytes_.reset();
    capacity_ = 0;
    if (count > allowance) return nullptr;
    bytes_ = std::make_unique_for_overwrite<char[]>(count + kReadablePastEnd);
    capacity_ = count;
    allowance -= count;
  }
  return bytes_.get();
}

struct ParquetPages::Header {
  std::int64_t type = -1;
  std::int64_t plain_bytes = -1;
  std::int64_t stored_bytes = -1;
  bool has_checksum = false;
  std::uint32_t checksum = 0;
  std::int64_t value_count = -1;
  std::int64_t encoding = -1;
  std::int64_t levels_encoding = kRleLevels;
  std::int64_t definition_bytes = 0;
  std::int64_t repetition_bytes = 0;
  bool is_compressed = true;

  void read(ThriftReader& thrift) noexcept {
    for (ThriftField field; thrift.next(field);) {
      switch (field.id) {
        case 1:
          type = thrift.number(field);
          break;
        case 2:
          plain_bytes = thrift.number(field);
          break;
        case 3:
          stored_bytes = thrift.number(field);
          break;
        case 4:
          checksum = static_cast<std::uint32_t>(thrift.number(field));
          has_checksum = true;
          break;
        case 5:
        case 7:
        case 8:
          if (thrift.enter(field)) read_kind(thrift, field.id);
          break;
        default:
          thrift.skip(field);
      }
    }
  }

  /// Headers of data pages (5), dictionary pages (7) and data pages of version 2 (8) begin alike.
  void read_kind(ThriftReader& thrift, int kind) noexcept {
    constexpr int kV2 = 8;
    for (ThriftField field; thrift.next(field);) {
      const int id = field.id;
      if (id == 1) {
        value_count = thrift.number(field);
      } else if ((id == 2 && kind != kV2) || (id == 4 && kind == kV2)) {
        encoding = thrift.number(field);
      } else if (id == 3 && kind == 5) {
        levels_encoding = thrift.number(field);
      } else if (id == 5 && kind == kV2) {
        definition_bytes = thrift.number(field);
      } else if (id == 6 && kind == kV2) {
        repetition_bytes = thrift.number(field);
      } else if (id == 7 && kind == kV2) {
        is_compressed = thrift.boolean(field);
      } else {
        thrift.skip(field);
      }
    }
  }
};

void ParquetPages::start(const ParquetColumn& column, const ParquetChunk& chunk) noexcept {
  column_ = &column;
  chunk_ = chunk;
  at_ = chunk.begin;
  values_left_ = chunk.value_count;
  begun_ = false;
}

bool ParquetPages::damaged(ParquetContext& context, const char* what) const {
  return context.problem.damaged("with a damaged page at byte " + std::to_string(at_) + ": " +
                                 what);
}

bool ParquetPages::read_header(ParquetContext& context, Header& header) {
  const std::uint64_t left = chunk_.end - at_;
  for (std::size_t window = kHeaderBytesFirst;; window *= 4) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, window));
    std::string_view bytes = context.bytes.in_memory();
    if (bytes.empty()) {
      char* const room = header_bytes_.room(count, context.allowance);
      if (room == nullptr || !context.bytes.read(at_, room, count))
        return context.problem.set(PayloadDrop::kTruncated, "that cannot be read to its end");
      bytes = {room, count};
    } else {
      bytes = bytes.substr(static_cast<std::size_t>(at_), count);
    }
    ThriftReader thrift(bytes);
    header = {};
    header.read(thrift);
    if (thrift.good()) {
      at_ += thrift.taken_bytes();
      return true;
    }
    if (thrift.state() == ThriftReader::State::kBad || count == left || window >= kHeaderBytesMax)
      return damaged(context, "its header cannot be read");
  }
}

bool ParquetPages::check(ParquetContext& context, const Header& header) {
  const bool is_data = header.type == kDataPage || header.type == kDataPageV2;
  if (header.stored_bytes < 0 ||
      static_cast<std::uint64_t>(header.stored_bytes) > chunk_.end - at_) {
    return damaged(context, "it ends behind its column");
  }
  if (!is_data && header.type != kDictionaryPage) return true;  // Not read.
  if (header.plain_bytes < 0) return damaged(context, "its size is negative");
  if (static_cast<std::uint64_t>(header.plain_bytes) > kParquetPageBytesMax)
    return context.problem.set(PayloadDrop::kTooLarge, "with a page of over 64 MiB");
  if (header.value_count < 0 || header.value_count > 0x7fffffff ||
      (is_data && static_cast<std::uint64_t>(header.value_count) > values_left_)) {
    return damaged(context, "its number of values is impossible");
  }
  if (header.type == kDictionaryPage && begun_)
    return damaged(context, "a dictionary behind the values");
  if (header.type == kDataPage && column_->is_optional && header.levels_encoding != kRleLevels) {
    return context.problem.damaged("with definition levels of " +
                                   parquet_encoding_name(header.levels_encoding) +
                                   "; only RLE is read");
  }
  if (header.repetition_bytes != 0 || header.definition_bytes < 0 ||
      header.definition_bytes > std::min(header.plain_bytes, header.stored_bytes)) {
    return damaged(context, "its levels are impossible");
  }
  return true;
}

bool ParquetPages::read_body(ParquetContext& context, const Header& header, ParquetPage& page) {
  const auto stored_bytes = static_cast<std::size_t>(header.stored_bytes);
  const auto plain_bytes = static_cast<std::size_t>(header.plain_bytes);
  const bool is_v2 = header.type == kDataPageV2;
  const bool is_inflated =
      chunk_.codec != static_cast<std::uint8_t>(ParquetCodec::kNone) && header.is_compressed;
  ParquetBuffer& kept = page.is_dictionary ? dictionary_ : data_;
  const auto no_room = [&] {
    return context.problem.set(PayloadDrop::kTooLarge,
                               "whose pages need over 512 MiB of memory at once");
  };
  std::string_view stored;
  if (const std::string_view all = context.bytes.in_memory(); !all.empty()) {
    stored = all.substr(static_cast<std::size_t>(at_), stored_bytes);
  } else {
    ParquetBuffer& buffer = is_inflated ? context.compressed : kept;
    char* const room = buffer.room(stored_bytes, context.allowance);
    if (room == nullptr) return no_room();
    if (!context.bytes.read(at_, room, stored_bytes))
      return context.problem.set(PayloadDrop::kTruncated, "that cannot be read to its end");
    stored = {room, stored_bytes};
  }
  if (header.has_checksum && crc32(0, reinterpret_cast<const Bytef*>(stored.data()),
                                   static_cast<uInt>(stored_bytes)) != header.checksum) {
    return damaged(context, "its checksum is wrong");
  }
  context.plain_bytes += plain_bytes;
  if (!is_inflated) {
    if (stored_bytes != plain_bytes) return damaged(context, "its two sizes differ");
    return split_levels(context, header, stored, page);
  }
  char* const room = kept.room(plain_bytes + kReadablePastEnd, context.allowance);
  if (room == nullptr) return no_room();
  // Version 2 leaves the levels, in front, as they are.
  const auto plain_front = is_v2 ? static_cast<std::size_t>(header.definition_bytes) : 0;
  if (plain_front > 0) std::memcpy(room, stored.data(), plain_front);
  stored.remove_prefix(plain_front);
  if (!inflate_page(context, chunk_.codec, stored, room + plain_front, plain_bytes - plain_front))
    return damaged(context, "it does not inflate to its size");
  return split_levels(context, header, {room, plain_bytes}, page);
}

bool ParquetPages::split_levels(ParquetContext& context, const Header& header,
                                std::string_view plain, ParquetPage& page) const {
  page.levels = {};
  page.values = plain;
  if (page.is_dictionary) return true;
  std::size_t levels_bytes = 0;
  if (header.type == kDataPageV2) {
    levels_bytes = static_cast<std::size_t>(header.definition_bytes);
  } else if (column_->is_optional) {
    if (plain.size() < 4) return page.value_count == 0 || damaged(context, "it has no levels");
    levels_bytes = load_u32(plain.data());
    plain.remove_prefix(4);
    if (levels_bytes > plain.size()) return damaged(context, "its levels are longer than it is");
  }
  page.levels = column_->is_optional ? plain.substr(0, levels_bytes) : std::string_view{};
  page.values = plain.substr(levels_bytes);
  return true;
}

ParquetPages::Next ParquetPages::next(ParquetContext& context, ParquetPage& page) {
  for (;;) {
    if (values_left_ == 0) return Next::kEnd;
    if (at_ >= chunk_.end) {
      damaged(context, "its column ends before its values");
      return Next::kProblem;
    }
    Header header;
    if (!read_header(context, header) || !check(context, header)) return Next::kProblem;
    page.is_dictionary = header.type == kDictionaryPage;
    const bool is_read =
        page.is_dictionary || header.type == kDataPage || header.type == kDataPageV2;
    if (is_read) {
      page.value_count = static_cast<std::uint32_t>(header.value_count);
      if (header.encoding < 0 || header.encoding > 9) {
        damaged(context, "its encoding is unknown");
        return Next::kProblem;
      }
      page.encoding = static_cast<ParquetEncoding>(header.encoding);
      if (!read_body(context, header, page)) return Next::kProblem;
    }
    at_ += static_cast<std::uint64_t>(header.stored_bytes);
    if (!is_read) continue;  // An index, or what later versions add.
    begun_ = true;
    if (!page.is_dictionary) values_left_ -= page.value_count;
    return Next::kPage;
  }
}

}  // namespace fleetmeter::parsers
