#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "parsers/random_access.h"

namespace fleetmeter::ingest {

/// Closes what it holds; standard input stays open.
class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

/// Opens a file to read, "-" = standard input; -1 and errno when it cannot be. A named pipe whose
/// writer is not there yet blocks, unless `flags` has O_NONBLOCK.
[[nodiscard]] int open_input(const std::string& path, int flags = 0);
/// A pipe, terminal or socket: it may keep its reader waiting, and has no position to come back to.
[[nodiscard]] bool is_piped(int fd);
/// read(2) that goes on after signals.
[[nodiscard]] std::int64_t read_some(int fd, char* out, std::size_t bytes_max);

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
