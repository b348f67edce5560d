#pragma once

#include <string>
#include <vector>

namespace fleetmeter::ingest {

/// The name that `path` has without the ".gz" or ".zst" that gzip(1), zstd(1) and log rotation append
/// to a file's name; "" when it ends in neither.
[[nodiscard]] std::string name_before_compression(const std::string& path);

/// What lies beside a compressed file of its own name: X beside X.gz or X.zst.
struct CompressedTwin {
  std::string plain, compressed;  ///< Paths.
  bool is_copy = false;           ///< X begins with the text of X.gz, byte by byte.
};
/// For people, naming both files.
[[nodiscard]] std::string to_text(const CompressedTwin& twin);

/// Takes compressed copies out of `files`: nothing is in them that is not in the file beside them, so
/// that reading both would count all of it twice. Log rotation leaves both while it compresses, and
/// `gzip -k` for good. Two files with different texts are both kept, whatever their names. Returns
/// each pair; reads of both as far as they are alike.
[[nodiscard]] std::vector<CompressedTwin> take_out_compressed_copies(
    std::vector<std::string>& files);

}  // namespace fleetmeter::ingest
