#include "bench/parsers/parquet_writer.h"

#include <snappy.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "bench/parsers/corpus.h"

namespace fleetmeter::parsers::bench {
namespace {

constexpr std::size_t kPageRows = 20'000;
constexpr std::size_t kColumns = 14;
constexpr std::int64_t kInt32 = 1, kInt64 = 2, kText = 6;
constexpr std::int64_t kPlain = 0, kRle = 3, kRleDictionary = 8;

struct Column {
  const char* name;
  std::int64_t type;
};
constexpr Column kDefault[kColumns] = {
    {"version", kInt32}, {"account_id", kText}, {"interface_id", kText}, {"srcaddr", kText},
    {"dstaddr", kText},  {"srcport", kInt32},   {"dstport", kInt32},     {"protocol", kInt32},
    {"packets", kInt64}, {"bytes", kInt64},     {"start", kInt64},       {"end", kInt64},
    {"action", kText},   {"log_status", kText}};

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

/// Thrift's compact protocol, fields in rising order.
class Thrift {
 public:
  Thrift& number(int id, std::int64_t value, int type) {
    field(id, type);
    put_varint(bytes_, static_cast<std::uint64_t>(value) << 1);
    return *this;
  }
  Thrift& i32(int id, std::int64_t value) { return number(id, value, 5); }
  Thrift& i64(int id, std::int64_t value) { return number(id, value, 6); }
  Thrift& text(int id, std::string_view value) {
    field(id, 8);
    put_varint(bytes_, value.size());
    bytes_ += value;
    return *this;
  }
  Thrift& structs(int id, const std::vector<std::string>& each) {
    field(id, 9);
    bytes_ += '\xfc';
    put_varint(bytes_, each.size());
    for (const std::string& one : each) bytes_ += one;
    return *this;
  }
  Thrift& inner(int id, const std::string& whole) {
    field(id, 12);
    bytes_ += whole;
    return *this;
  }
  std::string end() { return bytes_ + '\0'; }

 private:
  void field(int id, int type) {
    bytes_ += static_cast<char>((id - last_) << 4 | type);
    last_ = id;
  }
  std::string bytes_;
  int last_ = 0;
};

template <typename T>
void put_raw(std::string& out, T value) {
  char wire[sizeof value];
  std::memcpy(wire, &value, sizeof wire);
  out.append(wire, sizeof wire);
}

std::string deflated(const std::string& plain, PageCodec codec) {
  std::string out;
  switch (codec) {
    case PageCodec::kNone:
      return plain;
    case PageCodec::kSnappy:
      snappy::Compress(plain.data(), plain.size(), &out);
      return out;
    case PageCodec::kGzip:
      return gzip(plain);
    case PageCodec::kZstd:
      out.resize(ZSTD_compressBound(plain.size()));
      out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3));
      return out;
  }
  return out;
}

std::int64_t codec_number(PageCodec codec) {
  constexpr std::int64_t kNumbers[] = {0, 1, 2, 6};
  return kNumbers[static_cast<int>(codec)];
}

/// Definition levels, a run for each stretch of values or nulls.
std::string levels_of(const std::vector<std::string_view>& values) {
  std::string runs;
  for (std::size_t at = 0; at < values.size();) {
    const bool is_null = values[at] == "-";
    std::size_t end = at;
    while (end < values.size() && (values[end] == "-") == is_null) ++end;
    put_varint(runs, static_cast<std::uint64_t>(end - at) << 1);
    runs += is_null ? '\0' : '\1';
    at = end;
  }
  std::string out;
  put_raw(out, static_cast<std::uint32_t>(runs.size()));
  return out + runs;
}

/// Bit-packed groups of eight, in one run.
std::string packed(const std::vector<std::uint32_t>& indexes, unsigned width) {
  std::string out(1, static_cast<char>(width));
  const std::size_t groups = (indexes.size() + 7) / 8;
  put_varint(out, groups << 1 | 1);
  std::uint64_t word = 0;
  unsigned bits = 0;
  for (std::size_t i = 0; i < groups * 8; ++i) {
    word |= std::uint64_t{i < indexes.size() ? indexes[i] : 0} << bits;
    for (bits += width; bits >= 8; bits -= 8, word >>= 8) out += static_cast<char>(word);
  }
  return out;
}

class ColumnWriter {
 public:
  ColumnWriter(const Column& column, PageCodec codec) : column_(column), codec_(codec) {}

  std::string run(const std::vector<std::string_view>& values) {
    if (column_.type == kText) write_dictionary(values);
    for (std::size_t at = 0; at < values.size(); at += kPageRows) {
      const auto end = std::min(values.size(), at + kPageRows);
      write_page({values.begin() + static_cast<std::ptrdiff_t>(at),
                  values.begin() + static_cast<std::ptrdiff_t>(end)});
    }
    return std::move(out_);
  }

 private:
  void write_dictionary(const std::vector<std::string_view>& values) {
    std::string plain;
    for (const std::string_view value : values) {
      if (value == "-") continue;
      const auto next = static_cast<std::uint32_t>(index_.size());
      if (!index_.try_emplace(value, next).second) continue;
      put_raw(plain, static_cast<std::uint32_t>(value.size()));
      plain += value;
    }
    while (std::size_t{1} << width_ < index_.size()) ++width_;
    const std::string header =
        Thrift().i32(1, static_cast<std::int64_t>(index_.size())).i32(2, kPlain).end();
    put_page(2, 7, header, plain);
  }

  void write_page(const std::vector<std::string_view>& values) {
    std::string plain = levels_of(values);
    std::vector<std::uint32_t> indexes;
    for (const std::string_view value : values) {
      if (value == "-") continue;
      if (column_.type == kText) {
        indexes.push_back(index_.at(value));
      } else if (column_.type == kInt32) {
        put_raw(plain, static_cast<std::int32_t>(std::stol(std::string(value))));
      } else {
        put_raw(plain, static_cast<std::int64_t>(std::stoll(std::string(value))));
      }
    }
    if (column_.type == kText) plain += packed(indexes, width_);
    const std::string header = Thrift()
                                   .i32(1, static_cast<std::int64_t>(values.size()))
                                   .i32(2, column_.type == kText ? kRleDictionary : kPlain)
                                   .i32(3, kRle)
                                   .i32(4, kRle)
                                   .end();
    put_page(0, 5, header, plain);
  }

  void put_page(std::int64_t type, int field, const std::string& header, const std::string& plain) {
    const std::string stored = deflated(plain, codec_);
    out_ += Thrift()
                .i32(1, type)
                .i32(2, static_cast<std::int64_t>(plain.size()))
                .i32(3, static_cast<std::int64_t>(stored.size()))
                .inner(field, header)
                .end();
    out_ += stored;
  }

  const Column& column_;
  const PageCodec codec_;
  std::unordered_map<std::string_view, std::uint32_t> index_;
  unsigned width_ = 1;
  std::string out_;
};

std::vector<std::vector<std::string_view>> columns_of(std::string_view lines) {
  std::vector<std::vector<std::string_view>> columns(kColumns);
  for (std::size_t column = 0; !lines.empty(); column = (column + 1) % kColumns) {
    const std::size_t end = std::min(lines.find_first_of(" \n"), lines.size());
    columns[column].push_back(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return columns;
}

}  // namespace

std::string parquet_of(std::string_view default_lines, PageCodec codec) {
  const auto columns = columns_of(default_lines);
  const auto rows = static_cast<std::int64_t>(columns[0].size());
  std::string out = "PAR1";
  std::vector<std::string> schema = {Thrift().text(4, "schema").i32(5, kColumns).end()};
  std::vector<std::string> chunks;
  for (std::size_t i = 0; i < kColumns; ++i) {
    const std::string pages = ColumnWriter(kDefault[i], codec).run(columns[i]);
    schema.push_back(Thrift().i32(1, kDefault[i].type).i32(3, 1).text(4, kDefault[i].name).end());
    chunks.push_back(Thrift()
                         .inner(3, Thrift()
                                       .i32(1, kDefault[i].type)
                                       .i32(4, codec_number(codec))
                                       .i64(5, rows)
                                       .i64(7, static_cast<std::int64_t>(pages.size()))
                                       .i64(9, static_cast<std::int64_t>(out.size()))
                                       .end())
                         .end());
    out += pages;
  }
  const std::string group = Thrift().structs(1, chunks).i64(3, rows).end();
  const std::string footer =
      Thrift().i32(1, 1).structs(2, schema).i64(3, rows).structs(4, {group}).end();
  out += footer;
  put_raw(out, static_cast<std::uint32_t>(footer.size()));
  return out + "PAR1";
}

}  // namespace fleetmeter::parsers::bench
