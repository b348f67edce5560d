#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/decoder.h"

namespace fleetmeter::ingest {

/// Who a file is: device and inode, and hash and length of its first min(1 KiB, size) bytes; or its
/// name alone when AWS wrote it (docs/time.md 10).
struct FileIdentity {
  std::string key;  ///< Of its position: "SOURCE/name:FILE" or "SOURCE/DEVICE:INODE".
  std::string
      inode_key;  ///< "SOURCE/DEVICE:INODE": what a named file had for key before it got its name.
  bool named = false;  ///< Identified by an AWS object name: appears once, is never appended to.
  std::uint32_t head_bytes = 0;  ///< How many bytes at the front `head_hash` covers.
  std::uint64_t head_hash = 0;
  std::uint64_t size = 0;
};

/// How far a file has been read; as text in the log's source positions.
struct FilePosition {
  parsers::StreamPosition stream;
  std::uint32_t head_bytes = 0;
  std::uint64_t head_hash = 0;
  bool done = false;  ///< Read to its end and finished: only a larger or other file is read again.
  std::uint64_t size =
      /// Bytes of the file that were read, `stream` or a little more: a smaller file is another.
      0;
};

[[nodiscard]] std::string encode(const FilePosition& position);
[[nodiscard]] std::optional<FilePosition> decode_position(std::string_view text);

/// True for object names that AWS never appends to:
/// `ACCOUNT_vpcflowlogs_REGION_fl-..._YYYYMMDDTHHmmZ_HASH.log.gz` or `.log.parquet` (Amazon VPC User
/// Guide, "Flow log files") and `STREAM-VERSION-YYYY-MM-DD-HH-MM-SS-UUID`, alone or with `.gz`,
/// `.zst` or `.parquet` (Amazon Data Firehose Developer Guide, "Configure Amazon S3 object name
/// format").
[[nodiscard]] bool is_aws_object_name(std::string_view file_name);

/// A file is known by so many bytes at its front, or all that it has.
inline constexpr std::uint32_t kHeadBytesMax = 1024;

/// Identity of an open file; `head_bytes` = 0 takes min(1 KiB, size), else that many bytes.
/// nullopt: it cannot be read.
[[nodiscard]] std::optional<FileIdentity> identify(int fd, const std::string& source,
                                                   const std::string& path,
                                                   std::uint32_t head_bytes = 0);

}  // namespace fleetmeter::ingest
