#pragma once

#include "parsers/random_access.h"

namespace fleetmeter::ingest {

/// An open regular file at any offset. Its size is the present one: it may still be growing.
class FileBytes final : public parsers::RandomAccess {
 public:
  explicit FileBytes(int fd) noexcept : fd_(fd) {}
  [[nodiscard]] std::uint64_t size_bytes() const noexcept override;
  [[nodiscard]] bool read(std::uint64_t offset, char* out,
                          std::size_t count) const noexcept override;

 private:
  int fd_;
};

/// A regular file that begins as Parquet does. Such a file is read by random access, whatever its
/// name.
[[nodiscard]] bool is_parquet_file(int fd) noexcept;

}  // namespace fleetmeter::ingest
