#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "ingest/descriptor_share.h"
#include "ingest/file_reader.h"

namespace fleetmeter::ingest {

/// Files that grow, appear, are renamed and go: what each poll finds is read on. A file is followed
/// by device and inode, so one that is rotated away is read to its end under whatever name, or
/// none, and never twice. A file that nothing was added to costs two stat(2) a poll, one of them
/// expand_paths()'; its descriptor is closed after a minute, or when others need it. One thread's.
class FollowedFiles {
 public:
  FollowedFiles(FileReader& reader, const Clock& clock) : reader_(reader), clock_(clock) {}

  /// Looks at each path once, reading at most some MB of each; true when anything was read.
  /// Ends early on `stop` or when the reader has halted.
  bool poll(const std::vector<std::string>& paths, const std::stop_token& stop);

 private:
  struct Followed {
    std::string path;
    bool named = false;  ///< As AWS names objects: whole once its compressed members are, or, of
                         ///< plain text, when nothing was added for a minute.
    bool seen = false;   ///< By this poll under any name.
    std::optional<FileIdentity>
        damaged;  ///< Who it was: not read on until it is another file (docs/time.md 10).
    std::unique_ptr<InputFile> file;  ///< Null: closed, its position is with the reader or the log.
    std::uint64_t read_bytes = 0;     ///< Of the file, when it was last looked at.
    std::int64_t changed_ns = 0;      ///< Its time of change then.
    SteadyTime read_at{};             ///< When it last had something new.
  };
  bool look(const std::string& path, const std::stop_token& stop);
  bool read(Followed& followed, const std::stop_token& stop);
  void notice_twin(const std::string& path);
  bool leave_unseen(const std::stop_token& stop);
  void close_idle();
  void close_quietest(std::size_t keep);
  [[nodiscard]] std::size_t open_files_max() const noexcept;

  FileReader& reader_;
  const Clock& clock_;
  std::map<std::string, Followed>
      files_;  // By device and inode; only of files that are there, or still open.
  const DescriptorShare descriptors_{DescriptorShare::Kind::kFiles};
  bool has_polled_ = false;
  std::size_t open_files_ = 0;  // So many at most: those closed since the last count included.
};

}  // namespace fleetmeter::ingest
