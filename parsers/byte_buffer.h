#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace fleetmeter::parsers {

/// Bytes taken in at the back and given up at the front, with kPaddingBytes readable behind the
/// last (what simdjson wants). Views die with the next prepare() or append(). Memory is given back
/// once a large content is gone.
class ByteBuffer {
 public:
  static constexpr std::size_t kPaddingBytes = 64;

  [[nodiscard]] std::string_view view() const noexcept {
    return {bytes_.get() + begin_, end_ - begin_};
  }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }

  /// Room for `count` bytes behind the last; commit() says how many were written.
  [[nodiscard]] char* prepare(std::size_t count) {
    if (capacity_ - end_ < count || begin_ > size()) move_to(std::max(size() + count, kStartBytes));
    return bytes_.get() + end_;
  }
  void commit(std::size_t count) noexcept { end_ += count; }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(prepare(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }
  void consume(std::size_t count) noexcept {
    begin_ += count;
    if (begin_ == end_) clear();
  }
  void clear() noexcept {
    begin_ = end_ = 0;
    if (capacity_ <= kKeptBytes) return;
    bytes_.reset();
    capacity_ = 0;
  }

 private:
  static constexpr std::size_t kStartBytes = 64 * 1024;
  static constexpr std::size_t kKeptBytes = 4 << 20;

  /// Puts the content at the front of a block of at least `needed` bytes: the same one if it is
  /// large enough.
  void move_to(std::size_t needed) {
    if (needed <= capacity_) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, size());
    } else {
      const std::size_t grown = std::max(needed, capacity_ * 2);
      auto block = std::make_unique_for_overwrite<char[]>(grown + kPaddingBytes);
      if (size() > 0) std::memcpy(block.get(), bytes_.get() + begin_, size());
      std::memset(block.get() + grown, 0, kPaddingBytes);
      bytes_ = std::move(block);
      capacity_ = grown;
    }
    end_ -= begin_;
    begin_ = 0;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace fleetmeter::parsers
