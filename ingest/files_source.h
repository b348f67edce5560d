#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
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
/// malformed (docs/time.md 10). A file that cannot be read to its end, and of files that are not
/// followed a path that leads to none, is reported in bad_inputs; the rest goes on. start() fails
/// when none of those leads to a file.
[[nodiscard]] std::unique_ptr<Source> make_files_source(SourceContext context,
                                                        FilesOptions options);

struct ExpandedPaths {
  /// Each once under its first name, by device and inode; of those with one object name the largest.
  std::vector<std::string> files;
  std::vector<std::pair<std::string, std::string>>
      missing;  ///< Path that leads to none, or cannot be looked at, and why.
};
/// Expands files, directories and globs (**, *, ?, [...]), in the order of the paths and in a stable
/// one within each (by path). Hidden files (".x") count only when they are named.
[[nodiscard]] ExpandedPaths expand_paths(const std::vector<std::string>& paths);

/// Why a file could not be read to its end, to go on after its name; by what `decoder` has counted
/// of it.
[[nodiscard]] std::string explain_bad_file(const parsers::Decoder& decoder);

/// Streams one file ("-" = standard input) through a decoder; false when it could not be read to
/// its end (`error` says why).
[[nodiscard]] bool decode_file(const std::string& path, parsers::Decoder& decoder,
                               std::string& error,
                               const std::function<void(std::uint64_t)>& on_bytes = {});

}  // namespace fleetmeter::ingest
