#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/log.pb.h"
#include "proto/result.h"

namespace fleetmeter::aggregator {

/// A record as the log table stores it.
struct StoredRecord {
  std::int64_t append_ms = 0;
  std::int64_t codec = 0;  ///< 0 plain, 1 zstd.
  std::uint32_t crc = 0;   ///< CRC-32 of `bytes`.
  std::string bytes;
};

/// Serialises, and compresses at zstd level 1 where that saves a tenth (short records stay plain).
/// Meant for the caller's thread, so that the writer thread only copies bytes.
[[nodiscard]] StoredRecord encode_record(const proto::LogRecord& record, bool compress);
/// False when the bytes are damaged: checksum, compression or schema.
[[nodiscard]] bool decode_record(std::int64_t codec, std::uint32_t crc, std::string_view bytes,
                                 proto::LogRecord& out);

/// zstd level 1 with content size and checksum in the frame; the inverse is false on damage.
[[nodiscard]] std::string compress_bytes(std::string_view plain);
[[nodiscard]] bool decompress_bytes(std::string_view packed, std::string& out);

/// SHA-256, whole (32 bytes).
[[nodiscard]] std::string sha256(std::string_view bytes);
/// The 16 bytes under which a once key is kept: a bound on the row whatever the upstream's id looks
/// like.
[[nodiscard]] std::string once_digest(std::string_view key);

}  // namespace fleetmeter::aggregator
