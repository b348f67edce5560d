#include "parsers/parquet_column.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace fleetmeter::parsers {
namespace {

static_assert(std::endian::native == std::endian::little);

/// What one read of texts that share their beginnings may grow to.
constexpr std::size_t kDeltaTextBytesMax = 16u << 20;

/// Takes a text with its length in front off `bytes`.
bool take_plain_text(std::string_view& bytes, std::string_view& text) noexcept {
  std::uint32_t length;
  if (bytes.size() < sizeof length) return false;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > bytes.size() - sizeof length) return false;
  text = bytes.substr(sizeof length, length);
  bytes.remove_prefix(sizeof length + length);
  return true;
}

}  // namespace

bool ParquetColumnReader::damaged(const char* what) {
  return context_.problem.damaged("with damaged values of column `" + column_.name.substr(0, 64) +
                                  "`: " + what);
}

void ParquetColumnReader::start(const ParquetChunk& chunk) noexcept {
  pages_.start(column_, chunk);
  rows_left_ = 0;
  has_dictionary_ = false;
  dictionary_numbers_.clear();
  dictionary_texts_.clear();
}

bool ParquetColumnReader::prepare() {
  while (rows_left_ == 0) {
    ParquetPage page;
    switch (pages_.next(context_, page)) {
      case ParquetPages::Next::kEnd:
        return true;
      case ParquetPages::Next::kProblem:
        return false;
      case ParquetPages::Next::kPage:
        break;
    }
    if (!(page.is_dictionary ? take_dictionary(page) : take_page(page))) return false;
  }
  return true;
}

bool ParquetColumnReader::take_dictionary(const ParquetPage& page) {
  if (page.encoding != ParquetEncoding::kPlain &&
      page.encoding != ParquetEncoding::kPlainDictionary)
    return damaged("a dictionary that is not plain");
  const bool is_text = column_.type == ParquetType::kByteArray;
  const std::size_t value_bytes = column_.type == ParquetType::kInt64 ? 8 : 4;
  // Before any memory is taken for it: what a value takes at least.
  if (page.value_count > page.values.size() / value_bytes)
    return damaged("a dictionary shorter than its values");
  context_.allowance += dictionary_charge_;
  dictionary_charge_ =
      page.value_count * (is_text ? sizeof(std::string_view) : sizeof(std::int64_t));
  if (dictionary_charge_ > context_.allowance) {
    dictionary_charge_ = 0;
    return context_.problem.set(PayloadDrop::kTooLarge,
                                "whose dictionaries need over 512 MiB of memory at once");
  }
  context_.allowance -= dictionary_charge_;
  std::string_view bytes = page.values;
  if (is_text) {
    dictionary_texts_.resize(page.value_count);
    for (std::string_view& text : dictionary_texts_) {
      if (!take_plain_text(bytes, text)) return damaged("a dictionary shorter than its values");
    }
  } else {
    dictionary_numbers_.resize(page.value_count);
    if (!take_plain_numbers(bytes, dictionary_numbers_.data(), page.value_count))
      return damaged("a dictionary shorter than its values");
  }
  has_dictionary_ = true;
  ++dictionary_serial_;
  return true;
}

bool ParquetColumnReader::take_page(const ParquetPage& page) {
  rows_left_ = page.value_count;
  if (rows_left_ == 0) return true;
  levels_.start(page.levels, 1);
  encoding_ = page.encoding;
  values_ = page.values;
  const bool is_text = column_.type == ParquetType::kByteArray;
  form_ = is_text ? Form::kTexts : Form::kNumbers;
  const char* const wrong_type = "an encoding of another type";
  const char* const bad_delta = "an impossible delta header";
  switch (page.encoding) {
    case ParquetEncoding::kPlain:
      return true;
    case ParquetEncoding::kPlainDictionary:
    case ParquetEncoding::kRleDictionary: {
      if (!has_dictionary_) return damaged("indexes without a dictionary");
      form_ = Form::kDictionary;
      // A page of nulls alone may hold no index at all, not even their width.
      const unsigned width = values_.empty() ? 1 : static_cast<unsigned char>(values_.front());
      if (width > HybridReader::kWidthMax) return damaged("indexes of over 32 bits");
      indexes_.start(values_.substr(values_.empty() ? 0 : 1), width);
      return true;
    }
    case ParquetEncoding::kDeltaBinaryPacked:
      if (is_text) return damaged(wrong_type);
      return numbers_.start(values_) || damaged(bad_delta);
    case ParquetEncoding::kDeltaLengthByteArray: {
      if (!is_text) return damaged(wrong_type);
      DeltaReader lengths;
      if (!lengths.start(values_) || lengths.left() > page.value_count) return damaged(bad_delta);
      const auto behind = lengths.rest();
      if (!behind || !numbers_.start(values_)) return damaged(bad_delta);
      values_ = *behind;
      return true;
    }
    case ParquetEncoding::kDeltaByteArray: {
      if (!is_text) return damaged(wrong_type);
      DeltaReader lengths;
      if (!lengths.start(values_) || lengths.left() > page.value_count) return damaged(bad_delta);
      const auto suffixes = lengths.rest();
      if (!suffixes || !prefixes_.start(values_)) return damaged(bad_delta);
      if (!lengths.start(*suffixes) || lengths.left() > page.value_count) return damaged(bad_delta);
      const auto behind = lengths.rest();
      if (!behind || !numbers_.start(*suffixes)) return damaged(bad_delta);
      values_ = *behind;
      previous_.clear();
      return true;
    }
    case ParquetEncoding::kRle:
      break;
  }
  return context_.problem.damaged(
      "whose column `" + column_.name.substr(0, 64) + "` is stored as " +
      parquet_encoding_name(static_cast<int>(page.encoding)) + ", which is not read");
}

bool ParquetColumnReader::levels(std::size_t rows, ParquetLevels& levels) {
  rows_left_ -= static_cast<std::uint32_t>(rows);
  levels = {rows, {}};
  if (!column_.is_optional) return true;
  if (const auto constant = levels_.take_constant(rows)) {
    levels.present = *constant == 0 ? 0 : rows;
    return true;
  }
  level_values_.resize(std::max(level_values_.size(), rows));
  if (!levels_.read(level_values_.data(), rows))
    return damaged("levels that end early or are too wide");
  levels.each = {level_values_.data(), rows};
  levels.present = 0;
  for (const std::uint32_t level : levels.each) levels.present += level;
  if (levels.present == rows || levels.present == 0) levels.each = {};
  return true;
}

bool ParquetColumnReader::read_indexes(std::uint32_t* out, std::size_t count) {
  if (!indexes_.read(out, count)) return damaged("indexes that end early or are too wide");
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, out[i]);
  const std::size_t size = std::max(dictionary_numbers_.size(), dictionary_texts_.size());
  return count == 0 || largest < size || damaged("an index outside of its dictionary");
}

bool ParquetColumnReader::take_plain_numbers(std::string_view& bytes, std::int64_t* out,
                                             std::size_t count) const noexcept {
  if (column_.type == ParquetType::kInt64) {
    if (count > bytes.size() / 8) return false;
    if (count > 0) std::memcpy(out, bytes.data(), count * 8);
    bytes.remove_prefix(count * 8);
    return true;
  }
  if (count > bytes.size() / 4) return false;
  for (std::size_t i = 0; i < count; ++i) {
    std::int32_t value;
    std::memcpy(&value, bytes.data() + i * 4, 4);
    out[i] = column_.is_unsigned ? static_cast<std::int64_t>(static_cast<std::uint32_t>(value))
                                 : std::int64_t{value};
  }
  bytes.remove_prefix(count * 4);
  return true;
}

bool ParquetColumnReader::read_numbers(std::int64_t* out, std::size_t count) {
  if (encoding_ == ParquetEncoding::kPlain)
    return take_plain_numbers(values_, out, count) || damaged("too few values");
  if (!numbers_.read(out, count)) return damaged("too few values");
  if (column_.type == ParquetType::kInt64) return true;
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = static_cast<std::uint32_t>(out[i]);
    out[i] =
        column_.is_unsigned ? std::int64_t{value} : std::int64_t{static_cast<std::int32_t>(value)};
  }
  return true;
}

bool ParquetColumnReader::read_texts(std::string_view* out, std::size_t count) {
  if (encoding_ == ParquetEncoding::kDeltaLengthByteArray) return read_delta_lengths(out, count);
  if (encoding_ == ParquetEncoding::kDeltaByteArray) return read_delta_texts(out, count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!take_plain_text(values_, out[i])) return damaged("a text behind the end of its page");
  }
  return true;
}

bool ParquetColumnReader::read_delta_lengths(std::string_view* out, std::size_t count) {
  lengths_.resize(std::max(lengths_.size(), count));
  if (!numbers_.read(lengths_.data(), count)) return damaged("too few values");
  for (std::size_t i = 0; i < count; ++i) {
    const auto length = static_cast<std::uint64_t>(lengths_[i]);  // A negative one is too large.
    if (length > values_.size()) return damaged("a text behind the end of its page");
    out[i] = values_.substr(0, static_cast<std::size_t>(length));
    values_.remove_prefix(static_cast<std::size_t>(length));
  }
  return true;
}

bool ParquetColumnReader::read_delta_texts(std::string_view* out, std::size_t count) {
  lengths_.resize(std::max(lengths_.size(), count));
  prefix_lengths_.resize(lengths_.size());
  if (!numbers_.read(lengths_.data(), count) || !prefixes_.read(prefix_lengths_.data(), count))
    return damaged("too few values");
  // How long they all are comes first: views need bytes that stay where they are.
  std::uint64_t bytes = 0;
  std::uint64_t before = previous_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto shared = static_cast<std::uint64_t>(prefix_lengths_[i]);
    const auto own = static_cast<std::uint64_t>(lengths_[i]);
    if (shared > before || own > values_.size()) return damaged("an impossible text length");
    before = shared + own;
    bytes += before;
    if (bytes > kDeltaTextBytesMax) return damaged("texts that grow beyond 16 MiB");
  }
  texts_.resize(static_cast<std::size_t>(bytes));
  char* at = texts_.data();
  std::string_view last = previous_;
  for (std::size_t i = 0; i < count; ++i) {
    const auto shared = static_cast<std::size_t>(prefix_lengths_[i]);
    const auto own = static_cast<std::size_t>(lengths_[i]);
    if (own > values_.size()) return damaged("a text behind the end of its page");
    if (shared > 0) std::memcpy(at, last.data(), shared);
    if (own > 0) std::memcpy(at + shared, values_.data(), own);
    values_.remove_prefix(own);
    last = out[i] = {at, shared + own};
    at += shared + own;
  }
  previous_.assign(last);
  return true;
}

}  // namespace fleetmeter::parsers
