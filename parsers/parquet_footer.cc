#include "parsers/parquet_footer.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

#include "parsers/flow_layout.h"
#include "parsers/thrift_compact.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::string_view kMagic = "PAR1";
constexpr std::string_view kEncryptedMagic = "PARE";
constexpr std::uint64_t kTailBytes = 8;  // Length of the footer, magic.
constexpr std::size_t kColumnsMax = FlowLayout::kColumnsMax;
// Rows for each byte that the columns of the object take, all of them, read or not. One column may
// say a million rows in ten bytes, since account and version never change; but in every flow log
// some column varies, and a hundredth of this is usual. Beyond it a few bytes would stand for hours
// of rows. What lies between pages and footer is no column's and allows none.
constexpr std::uint64_t kRowsPerByteMax = 64;
constexpr std::uint64_t kRowsAlways = 1u << 18;

/// Little-endian, of 4 bytes.
std::uint32_t load_length(const char* bytes) noexcept {
  std::uint32_t length = 0;
  for (unsigned i = 0; i < 4; ++i)
    length |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return length;
}

struct Tail {
  bool is_whole = false;
  bool is_encrypted = false;
  std::uint64_t footer_bytes = 0;
};

Tail read_tail(const RandomAccess& bytes) noexcept {
  Tail tail;
  const std::uint64_t size = bytes.size_bytes();
  std::array<char, kTailBytes> last;
  if (size < kMagic.size() + kTailBytes || !bytes.read(size - kTailBytes, last.data(), last.size()))
    return tail;
  const std::string_view magic{last.data() + 4, 4};
  tail.is_encrypted = magic == kEncryptedMagic;
  tail.is_whole = tail.is_encrypted || magic == kMagic;
  tail.footer_bytes = load_length(last.data());
  return tail;
}

/// Does one object end and another begin before `end`? Where the words of both stand together, and
/// the first one's footer fits in front of them.
bool has_seam(const RandomAccess& bytes, std::uint64_t end) {
  constexpr std::string_view kSeam = "PAR1PAR1";
  constexpr std::size_t kLengthBytes = 4;
  constexpr std::size_t kOverlap = kLengthBytes + kSeam.size() - 1;
  constexpr std::uint64_t kPieceBytes = 64 << 10;
  std::string piece;
  for (std::uint64_t at = 0; at + kOverlap < end; at += kPieceBytes - kOverlap) {
    piece.resize(static_cast<std::size_t>(std::min(end - at, kPieceBytes)));
    if (!bytes.read(at, piece.data(), piece.size())) return false;  // The pages will say so.
    for (std::size_t seam = piece.find(kSeam, kLengthBytes); seam != std::string::npos;
         seam = piece.find(kSeam, seam + 1)) {
      const std::uint64_t footer_bytes = load_length(piece.data() + seam - kLengthBytes);
      if (kMagic.size() + footer_bytes + kLengthBytes <= at + seam) return true;
    }
  }
  return false;
}

/// Offsets count from where an object begins. Those of one that stands behind others point so much
/// too far to the front, and as many bytes lie between its last column and its footer. Whatever
/// else lies there (page indexes, Bloom filters) lets more be searched, never less.
bool is_behind_another(const RandomAccess& bytes, std::uint64_t data_end,
                       const ParquetFooter& footer) {
  std::uint64_t columns_end = kMagic.size();
  for (const ParquetChunk& chunk : footer.chunks) columns_end = std::max(columns_end, chunk.end);
  return has_seam(bytes, data_end - columns_end + kMagic.size());
}

std::string quoted(std::string_view name) {
  // A name is the writer's own text: shortened, and without what a terminal would obey.
  std::string text = "`";
  for (const char c : name.substr(0, 64)) text += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  return text + "`";
}

/// Names of the union LogicalType that are neither text nor whole numbers.
const char* odd_logical_type(int id) noexcept {
  switch (id) {
    case 2:
    case 3:
      return "a list or map";
    case 5:
      return "a decimal";
    case 6:
      return "a date";
    case 7:
      return "a time of day";
    case 8:
      return "a timestamp";
    case 13:
      return "BSON";
    case 14:
      return "a UUID";
    default:
      return nullptr;
  }
}

/// The same of the older ConvertedType.
const char* odd_converted_type(std::int64_t type) noexcept {
  switch (type) {
    case 1:
    case 2:
    case 3:
      return "a list or map";
    case 5:
      return "a decimal";
    case 6:
      return "a date";
    case 7:
    case 8:
      return "a time of day";
    case 9:
    case 10:
      return "a timestamp";
    case 20:
    case 21:
      return "BSON or an interval";
    default:
      return nullptr;
  }
}

/// One element of the schema: the root, or a column.
struct SchemaElement {
  ParquetColumn column;
  std::int64_t type = -1;
  std::int64_t repetition = -1;
  std::int64_t children = 0;
};

constexpr int kIntegerType = 10;  // Of the union LogicalType.
constexpr std::int64_t kRequired = 0;
constexpr std::int64_t kOptional = 1;
constexpr std::int64_t kRepeated = 2;

class FooterReader {
 public:
  FooterReader(std::string_view bytes, std::uint64_t data_end, ParquetFooter& footer,
               ParquetProblem& problem)
      : thrift_(bytes),
        size_bytes_(bytes.size()),
        data_end_(data_end),
        footer_(footer),
        problem_(problem) {}

  bool run() {
    for (ThriftField field; thrift_.next(field) && !problem_.any();) {
      switch (field.id) {
        case 2:
          read_schema(field);
          break;
        case 3:
          footer_.rows = count(field);
          has_rows_ = true;
          break;
        case 4:
          has_groups_ = true;
          read_groups(field);
          break;
        case 8:
          return problem_.damaged("that is encrypted");
        default:
          thrift_.skip(field);
      }
    }
    if (problem_.any()) return false;
    if (!thrift_.good()) return problem_.damaged("with a damaged footer");
    return check_whole() && check_rows();
  }

 private:
  /// A bit that ends a struct early leaves what looks like an object without rows.
  bool check_whole() {
    if (!has_rows_ || !has_groups_)
      return problem_.damaged("with a damaged footer: it ends before its row groups");
    if (thrift_.taken_bytes() != size_bytes_)
      return problem_.damaged("with a damaged footer: it ends before its length");
    return !footer_.columns.empty() || problem_.damaged("without columns");
  }

  /// A number that is none when it is negative.
  std::uint64_t count(const ThriftField& field) {
    const std::int64_t value = thrift_.number(field);
    if (value < 0) problem_.damaged("with a damaged footer: a negative count");
    return static_cast<std::uint64_t>(value);
  }

  void read_schema(const ThriftField& field) {
    if (!footer_.columns.empty()) return skip_twice(field);
    const std::size_t elements = thrift_.list(field, ThriftType::kStruct);
    if (elements > kColumnsMax + 1) {
      problem_.damaged("of " + std::to_string(elements - 1) + " columns; flow logs have at most " +
                       std::to_string(kColumnsMax));
      return;
    }
    for (std::size_t i = 0; i < elements && thrift_.good(); ++i) {
      SchemaElement element = read_element();
      if (i == 0) {
        if (element.children + 1 != static_cast<std::int64_t>(elements)) is_nested_ = true;
        continue;
      }
      if (element.children != 0 || element.repetition == kRepeated || element.type < 0) {
        problem_.damaged("with a nested column, " + quoted(element.column.name) +
                         "; only flat flow logs are read");
        return;
      }
      if (element.type > static_cast<std::int64_t>(ParquetType::kFixedLength)) {
        problem_.damaged("with column " + quoted(element.column.name) + " of an unknown type");
        return;
      }
      if (element.repetition != kRequired && element.repetition != kOptional) {
        problem_.damaged("with a damaged footer: column " + quoted(element.column.name) +
                         " is neither required nor optional");
        return;
      }
      element.column.type = static_cast<ParquetType>(element.type);
      element.column.is_optional = element.repetition == kOptional;
      footer_.columns.push_back(std::move(element.column));
    }
    if (is_nested_ && thrift_.good()) problem_.damaged("with a damaged or nested schema");
  }

  void skip_twice(const ThriftField& field) {
    problem_.damaged("with a damaged footer: a part twice");
    thrift_.skip(field);
  }

  SchemaElement read_element() {
    SchemaElement element;
    for (ThriftField field; thrift_.next(field);) {
      switch (field.id) {
        case 1:
          element.type = thrift_.number(field);
          break;
        case 3:
          element.repetition = thrift_.number(field);
          break;
        case 4:
          element.column.name = thrift_.binary(field);
          break;
        case 5:
          element.children = thrift_.number(field);
          break;
        case 6: {
          const std::int64_t converted = thrift_.number(field);
          element.column.is_unsigned = converted >= 11 && converted <= 14;
          if (const char* odd = odd_converted_type(converted)) element.column.odd_meaning = odd;
          break;
        }
        case 10:
          read_logical_type(field, element.column);
          break;
        default:
          thrift_.skip(field);
      }
    }
    return element;
  }

  void read_logical_type(const ThriftField& outer, ParquetColumn& column) {
    if (!thrift_.enter(outer)) return;
    for (ThriftField field; thrift_.next(field);) {
      column.is_null = column.is_null || field.id == 11;
      if (const char* odd = odd_logical_type(field.id)) column.odd_meaning = odd;
      if (field.id == kIntegerType) {
        read_integer_type(field, column);
      } else {
        thrift_.skip(field);
      }
    }
  }

  /// Its sign; where the older ConvertedType says another, this one holds. Its width says nothing
  /// that the stored values do not.
  void read_integer_type(const ThriftField& outer, ParquetColumn& column) {
    if (!thrift_.enter(outer)) return;
    for (ThriftField field; thrift_.next(field);) {
      if (field.id == 2) {
        column.is_unsigned = !thrift_.boolean(field);
      } else {
        thrift_.skip(field);
      }
    }
  }

  void read_groups(const ThriftField& field) {
    if (!footer_.group_rows.empty()) return skip_twice(field);
    if (footer_.columns.empty()) {
      problem_.damaged("with a damaged footer: row groups before the schema");
      return;
    }
    const std::size_t groups = thrift_.list(field, ThriftType::kStruct);
    for (std::size_t i = 0; i < groups && thrift_.good() && !problem_.any(); ++i) read_group();
  }

  void read_group() {
    const std::size_t first = footer_.chunks.size();
    std::uint64_t rows = 0;
    for (ThriftField field; thrift_.next(field) && !problem_.any();) {
      if (field.id == 1) {
        const std::size_t chunks = thrift_.list(field, ThriftType::kStruct);
        if (chunks != footer_.columns.size() || footer_.chunks.size() != first) break;
        for (std::size_t i = 0; i < chunks && thrift_.good() && !problem_.any(); ++i)
          read_chunk(footer_.columns[i]);
      } else if (field.id == 3) {
        rows = count(field);
      } else {
        thrift_.skip(field);
      }
    }
    if (problem_.any() || !thrift_.good()) return;
    if (footer_.chunks.size() != first + footer_.columns.size()) {
      problem_.damaged("with a damaged footer: a row group without all of its columns");
      return;
    }
    footer_.group_rows.push_back(rows);
  }

  void read_chunk(const ParquetColumn& column) {
    ParquetChunk chunk;
    bool has_facts = false;
    for (ThriftField field; thrift_.next(field) && !problem_.any();) {
      switch (field.id) {
        case 3:
          has_facts = thrift_.enter(field) && read_chunk_facts(column, chunk);
          break;
        case 1:  // The path of another file, in which its offsets count.
          if (!thrift_.binary(field).empty()) {
            problem_.damaged(
                "whose columns lie in other files, as those of a data set's summary (_metadata) "
                "do; read these files");
          }
          break;
        case 8:
        case 9:
          chunk.is_encrypted = true;
          thrift_.skip(field);
          break;
        default:
          thrift_.skip(field);
      }
    }
    if (problem_.any()) return;
    if (!has_facts && !chunk.is_encrypted) {
      problem_.damaged("with a damaged footer: a column without facts");
      return;
    }
    footer_.chunks.push_back(chunk);
  }

  /// False when one is missing that each column has (parquet.thrift, ColumnMetaData).
  bool read_chunk_facts(const ParquetColumn& column, ParquetChunk& chunk) {
    constexpr std::uint32_t kNeeded = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 9;
    std::uint32_t stated = 0;
    std::uint64_t data_page = 0;
    std::uint64_t dictionary_page = 0;
    std::uint64_t bytes = 0;
    for (ThriftField field; thrift_.next(field) && !problem_.any();) {
      if (field.id > 0 && field.id < 32) stated |= std::uint32_t{1} << field.id;
      switch (field.id) {
        case 1:
          if (thrift_.number(field) != static_cast<std::int64_t>(column.type))
            problem_.damaged("with a damaged footer: column " + quoted(column.name) +
                             " has two types");
          break;
        case 2:
          for (std::size_t left = thrift_.list(field, ThriftType::kI32); left > 0; --left) {
            const std::int64_t encoding = thrift_.list_number();
            chunk.encodings |= encoding >= 0 && encoding < 31 ? 1u << encoding : 1u << 31;
          }
          break;
        case 4: {
          const std::int64_t codec = thrift_.number(field);
          chunk.codec = codec >= 0 && codec < 255 ? static_cast<std::uint8_t>(codec) : 255;
          break;
        }
        case 5:
          chunk.value_count = count(field);
          break;
        case 7:
          bytes = count(field);
          break;
        case 9:
          data_page = count(field);
          break;
        case 11:
          dictionary_page = count(field);
          break;
        default:
          thrift_.skip(field);
      }
    }
    // Offset 0 is what writers put for "none".
    chunk.begin = dictionary_page > 0 && dictionary_page < data_page ? dictionary_page : data_page;
    if (problem_.any() || !thrift_.good()) return true;
    if ((stated & kNeeded) != kNeeded) return false;
    if (chunk.value_count == 0) {  // No page, and what writers put for its place is their own.
      chunk.begin = chunk.end = kMagic.size();
      return true;
    }
    if (chunk.begin < kMagic.size() || chunk.begin > data_end_ || bytes > data_end_ - chunk.begin) {
      problem_.damaged("with a damaged footer: column " + quoted(column.name) +
                       " lies outside of the file");
      return true;
    }
    chunk.end = chunk.begin + bytes;
    bytes_all_ += bytes;
    return true;
  }

  bool check_rows() {
    std::uint64_t rows = 0;
    for (std::size_t group = 0; group < footer_.group_rows.size(); ++group) {
      const std::uint64_t here = footer_.group_rows[group];
      if (here > std::numeric_limits<std::uint64_t>::max() / 2 - rows)
        return problem_.damaged("with a damaged footer: impossible row counts");
      rows += here;
      for (std::size_t i = 0; i < footer_.columns.size(); ++i) {
        const ParquetChunk& chunk = footer_.chunk(group, i);
        if (!chunk.is_encrypted && chunk.value_count != here)
          return problem_.damaged("with a damaged footer: column " +
                                  quoted(footer_.columns[i].name) + " lacks rows");
      }
    }
    if (footer_.group_rows.empty() && footer_.rows > 0) {
      return problem_.damaged("that states " + std::to_string(footer_.rows) +
                              " rows and holds none, as a data set's summary (_common_metadata) "
                              "does; read its other files");
    }
    if (rows != footer_.rows)
      return problem_.damaged("with a damaged footer: its row counts differ");
    // Row groups that share their pages would multiply the work for each of them.
    if (bytes_all_ > data_end_)
      return problem_.damaged("with a damaged footer: columns overlap each other");
    if (rows > std::max(kRowsAlways, bytes_all_ * kRowsPerByteMax)) {
      return problem_.set(PayloadDrop::kTooLarge,
                          "that claims " + std::to_string(rows) + " rows in columns of " +
                              std::to_string(bytes_all_) + " bytes, which no flow log holds");
    }
    return true;
  }

  ThriftReader thrift_;
  const std::uint64_t size_bytes_;
  const std::uint64_t data_end_;  // Where pages end and the footer begins.
  ParquetFooter& footer_;
  ParquetProblem& problem_;
  std::uint64_t bytes_all_ = 0;  // Of the columns' pages, as stored.
  bool is_nested_ = false;
  bool has_rows_ = false;
  bool has_groups_ = false;
};

}  // namespace

bool has_parquet_end(const RandomAccess& bytes) noexcept {
  const Tail tail = read_tail(bytes);
  return tail.is_whole && tail.footer_bytes <= bytes.size_bytes() - kMagic.size() - kTailBytes;
}

bool read_parquet_footer(const RandomAccess& bytes, ParquetFooter& footer,
                         ParquetProblem& problem) {
  std::array<char, 4> head;
  if (bytes.size_bytes() < kMagic.size() + kTailBytes || !bytes.read(0, head.data(), head.size())) {
    return problem.damaged("in its first letters only");
  }
  const Tail tail = read_tail(bytes);
  if (std::string_view{head.data(), head.size()} == kEncryptedMagic || tail.is_encrypted)
    return problem.damaged("that is encrypted");
  if (!tail.is_whole) {
    return problem.set(PayloadDrop::kTruncated,
                       "that is cut short: the footer at its end is missing");
  }
  const std::uint64_t size = bytes.size_bytes();
  if (tail.footer_bytes > size - kMagic.size() - kTailBytes)
    return problem.damaged("with a damaged footer: it would begin before the file");
  if (tail.footer_bytes > kParquetFooterBytesMax)
    return problem.set(PayloadDrop::kTooLarge, "with a footer of over 16 MiB");
  const std::uint64_t begin = size - kTailBytes - tail.footer_bytes;
  std::string text(static_cast<std::size_t>(tail.footer_bytes), '\0');
  if (!bytes.read(begin, text.data(), text.size()))
    return problem.set(PayloadDrop::kTruncated, "that cannot be read to its end");
  if (!FooterReader(text, begin, footer, problem).run()) return false;
  if (is_behind_another(bytes, begin, footer)) {
    return problem.damaged("that holds more than one Parquet object: read each by itself");
  }
  return true;
}

std::string parquet_codec_name(std::uint8_t codec) {
  constexpr const char* kNames[] = {"no codec", "SNAPPY", "GZIP", "LZO",
                                    "BROTLI",   "LZ4",    "ZSTD", "LZ4_RAW"};
  return codec < std::size(kNames) ? kNames[codec] : "codec " + std::to_string(codec);
}

std::string parquet_encoding_name(std::int64_t encoding) {
  constexpr const char* kNames[] = {
      "PLAIN",          "GROUP_VAR_INT",       "PLAIN_DICTIONARY",        "RLE",
      "BIT_PACKED",     "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY",
      "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"};
  return encoding >= 0 && encoding < static_cast<std::int64_t>(std::size(kNames))
             ? kNames[encoding]
             : "encoding " + std::to_string(encoding);
}

const char* parquet_type_name(ParquetType type) noexcept {
  switch (type) {
    case ParquetType::kBoolean:
      return "BOOLEAN";
    case ParquetType::kInt32:
      return "INT32";
    case ParquetType::kInt64:
      return "INT64";
    case ParquetType::kInt96:
      return "INT96";
    case ParquetType::kFloat:
      return "FLOAT";
    case ParquetType::kDouble:
      return "DOUBLE";
    case ParquetType::kByteArray:
      return "BYTE_ARRAY";
    case ParquetType::kFixedLength:
      return "FIXED_LEN_BYTE_ARRAY";
  }
  return "unknown";
}

}  // namespace fleetmeter::parsers
