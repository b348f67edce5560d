#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace fleetmeter::parsers {

/// Bytes of known size that can be read at any offset: a file, an object, memory. For formats whose
/// end has to be read first. One thread's.
class RandomAccess {
 public:
  virtual ~RandomAccess() = default;
  [[nodiscard]] virtual std::uint64_t size_bytes() const noexcept = 0;
  /// All `count` bytes at `offset` into `out`. False: not all of them are there, or they cannot be
  /// read; `out` then holds anything.
  [[nodiscard]] virtual bool read(std::uint64_t offset, char* out,
                                  std::size_t count) const noexcept = 0;
  /// All of the bytes where they lie in memory already; empty otherwise.
  [[nodiscard]] virtual std::string_view in_memory() const noexcept { return {}; }
};

/// Somebody else's memory, which outlives it.
class MemoryBytes final : public RandomAccess {
 public:
  explicit MemoryBytes(std::string_view bytes) noexcept : bytes_(bytes) {}
  [[nodiscard]] std::uint64_t size_bytes() const noexcept override { return bytes_.size(); }
  [[nodiscard]] bool read(std::uint64_t offset, char* out,
                          std::size_t count) const noexcept override {
    if (offset > bytes_.size() || count > bytes_.size() - offset) return false;
    if (count > 0) std::memcpy(out, bytes_.data() + offset, count);
    return true;
  }
  [[nodiscard]] std::string_view in_memory() const noexcept override { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace fleetmeter::parsers
