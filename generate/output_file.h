#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "proto/result.h"

namespace fleetmeter::generate {

/// One output file, plain or gzip (one member, level 1, no time stamp in it). Makes missing
/// directories. Equal writes give equal bytes on one machine; another CPU may compress the same
/// text otherwise.
class OutputFile {
 public:
  static Result<std::unique_ptr<OutputFile>> create(const std::filesystem::path& path, bool gzip);
  ~OutputFile();

  Result<void> write(std::string_view text);
  Result<void> close();  ///< Ends the member and the file; nothing may be written after it.

  [[nodiscard]] std::uint64_t plain_bytes() const noexcept;
  [[nodiscard]] std::uint64_t written_bytes() const noexcept;

 private:
  struct State;
  explicit OutputFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The whole of a file, inflated when it is gzip (all members). A truncated or damaged member is
/// kDataLoss, a file that inflates past `bytes_max` kInvalidArgument.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max);

}  // namespace fleetmeter::generate
