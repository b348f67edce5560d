#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ingest/file_turn.h"
#include "ingest/source.h"

namespace fleetmeter::ingest {

struct FilesOptions {
  SourceSettings settings;
  std::vector<std::string>
      paths;  ///< Files, directories (all files below), globs with ** ; "-" = standard input.
  /// Live sources run beside it: once it is read it stays caught up, and never ends their time.
  bool beside_live = false;
  bool follow = false;  ///< Keep reading what is appended and what appears; never ends.
  std::uint32_t poll_interval_ms = 200;
  InflateAhead inflate_ahead = InflateAhead::kWhereItPays;
};

/// Files and directories of flow logs and metric streams, plain, gzip or zstd; one source partition
/// in all. A file is known by device, inode, and hash and length of its first min(1 KiB, size)
/// bytes; smaller than its position, or another hash: a new file. Object names as AWS writes them
/// identify themselves. The unfinished last line or member of a followed file is pending, not
/// malformed (docs/time.md 10). A file that cannot be read to its end is reported in bad_inputs;
/// the rest goes on.
[[nodiscard]] std::unique_ptr<Source> make_files_source(SourceContext context,
                                                        FilesOptions options);

/// Expands files, directories and globs (**, *, ?, [...]) in a stable order (by path); kNotFound
/// names a path that matches nothing. Hidden files (".x") count only when they are named.
[[nodiscard]] Result<std::vector<std::string>> expand_paths(const std::vector<std::string>& paths);

/// Streams one file ("-" = standard input) through a decoder; false when it could not be read to
/// its end (`error` says why).
[[nodiscard]] bool decode_file(const std::string& path, parsers::Decoder& decoder,
                               std::string& error,
                               const std::function<void(std::uint64_t)>& on_bytes = {});

}  // namespace fleetmeter::ingest
