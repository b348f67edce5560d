#include "ingest/file_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "parsers/decoder.h"

namespace fleetmeter::ingest {

namespace {
constexpr int kStandardInput = 0;
}  // namespace

Descriptor::~Descriptor() {
  if (fd_ > kStandardInput) close(fd_);
}

int open_input(const std::string& path, int flags) {
  return path == "-" ? kStandardInput : open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
}

bool is_piped(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 &&
         (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || S_ISCHR(status.st_mode));
}

std::int64_t read_some(int fd, char* out, std::size_t bytes_max) {
  for (;;) {
    const ssize_t got = read(fd, out, bytes_max);
    if (got >= 0 || errno != EINTR) return got;
  }
}

std::uint64_t FileBytes::size_bytes() const noexcept {
  struct stat status {};
  return fstat(fd_, &status) == 0 && status.st_size > 0 ? static_cast<std::uint64_t>(status.st_size)
                                                        : 0;
}

bool FileBytes::read(std::uint64_t offset, char* out, std::size_t count) const noexcept {
  while (count > 0) {
    const ssize_t got = pread(fd_, out, count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out += got;
    offset += static_cast<std::uint64_t>(got);
    count -= static_cast<std::size_t>(got);
  }
  return true;
}

bool is_parquet_file(int fd) noexcept {
  struct stat status {};
  std::array<char, 4> head;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
         FileBytes(fd).read(0, head.data(), head.size()) &&
         parsers::is_parquet({head.data(), head.size()});
}

}  // namespace fleetmeter::ingest
