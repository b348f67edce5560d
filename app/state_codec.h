#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/log.pb.h"

namespace fleetmeter::app {

/// Little-endian 64-bit numbers and length-prefixed text: the frame of a snapshot. take_* consume
/// from the front of `in` and return false when it ends too early; views point into the snapshot.
inline void put_number(std::string& out, std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8)
    out.push_back(static_cast<char>((value >> shift) & 0xff));
}
inline void put_text(std::string& out, std::string_view text) {
  put_number(out, text.size());
  out.append(text);
}
[[nodiscard]] inline bool take_number(std::string_view& in, std::uint64_t& value) {
  if (in.size() < 8) return false;
  value = 0;
  for (int i = 0; i < 8; ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(in[static_cast<std::size_t>(i)]))
             << (8 * i);
  in.remove_prefix(8);
  return true;
}
[[nodiscard]] inline bool take_text(std::string_view& in, std::string_view& text) {
  std::uint64_t size = 0;
  if (!take_number(in, size) || size > in.size()) return false;
  text = in.substr(0, static_cast<std::size_t>(size));
  in.remove_prefix(static_cast<std::size_t>(size));
  return true;
}

[[nodiscard]] inline bool take_record(std::string_view& in, proto::LogRecord& record) {
  std::string_view bytes;
  return take_text(in, bytes) &&
         record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

/// Folds a progress record into `merged`, newest entry per source: what a shard born later needs to
/// know.
inline void merge_progress(const proto::LogRecord& record, proto::LogRecord& merged) {
  merged.set_append_time_ms(record.append_time_ms());
  proto::Progress& into = *merged.mutable_progress();
  for (const proto::SourceProgress& source : record.progress().sources()) {
    proto::SourceProgress* found = nullptr;
    for (proto::SourceProgress& known : *into.mutable_sources()) {
      if (known.source() == source.source()) found = &known;
    }
    if (found == nullptr) found = into.add_sources();
    *found = source;
  }
}

}  // namespace fleetmeter::app
