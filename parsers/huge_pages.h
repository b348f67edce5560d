#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace fleetmeter::parsers {

/// Allocator of large arrays that grow: from 1 MiB on in huge pages, where the kernel has some to
/// give. Touching 4 KiB at a time for the first time took 8 % of an import (`perf record`).
template <typename T>
struct HugePages {
  using value_type = T;
  HugePages() = default;
  template <typename U>
  explicit(false) HugePages(const HugePages<U>& /*other*/) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (bytes < kLarge) return std::allocator<T>().allocate(count);
    const std::size_t whole = (bytes + kPage - 1) / kPage * kPage;
    void* const memory = std::aligned_alloc(kPage, whole);
    if (memory == nullptr) throw std::bad_alloc();
    (void)madvise(memory, whole, MADV_HUGEPAGE);  // A wish: without it pages are small.
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    if (count * sizeof(T) < kLarge) return std::allocator<T>().deallocate(memory, count);
    std::free(memory);
  }
  friend bool operator==(const HugePages&, const HugePages&) { return true; }

 private:
  static constexpr std::size_t kLarge = std::size_t{1} << 20;
  static constexpr std::size_t kPage = std::size_t{2} << 20;
};

}  // namespace fleetmeter::parsers
