#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "ingest/batcher.h"
#include "ingest/file_bytes.h"
#include "ingest/file_position.h"
#include "ingest/file_turn.h"
#include "ingest/flow_log_overlap.h"
#include "ingest/source.h"

namespace fleetmeter::ingest {

/// One file being read: its decoder keeps the unfinished last line or member.
struct InputFile {
  InputFile(int fd, std::string path_in, FileIdentity identity_in, parsers::DecoderOptions options,
            parsers::PayloadSink& sink)
      : descriptor(fd),
        path(std::move(path_in)),
        identity(std::move(identity_in)),
        decoder(std::move(options), sink) {}
  Descriptor descriptor;
  std::string path;
  std::optional<FileBytes> object;  ///< Parquet, which is read by random access.
  FileIdentity identity;            ///< Empty key: piped, without a position.
  parsers::Unpacker unpacker;
  parsers::Decoder decoder;
  std::uint64_t offset = 0;  ///< Next byte to read; of an object, bytes that were taken.
};

/// The file behind `fd` is not compressed, as far as its first bytes show; false while they are too few.
[[nodiscard]] bool is_plain(int fd);

/// What bounded and followed files share: opens files at their committed positions, reads them into
/// one batcher, and commits what was read together with the positions. One thread's.
class FileReader {
 public:
  FileReader(const SourceContext& context, const SourceSettings& settings,
             InflateAhead inflate_ahead = InflateAhead::kWhereItPays);

  [[nodiscard]] Batcher& batcher() noexcept { return batcher_; }

  enum class Open : std::uint8_t {
    kOpened,
    kNothingNew,  ///< Read and committed to its present end, by this run or an earlier one.
    kBad,         ///< Cannot be opened; reported.
    kFailed,      ///< The log cannot be read: failure() says why.
  };
  Open open(const std::string& path, std::unique_ptr<InputFile>& file);

  enum class Turn : std::uint8_t {
    kEnd,   ///< Read to the file's present end.
    kMore,  ///< `bytes_max` were read, there may be more.
    kBad,  ///< What follows cannot be read; reported. Not to be finished: the last line may be cut.
    /// `stop`, or the source must end (halted()). What was read is noted for the next commit. The
    /// file cannot be read on, only opened anew.
    kStopped,
  };
  /// Reads on, committing whenever enough has gathered: after any piece of PieceRoom::kBytes of
  /// plain text, so that a commit holds little more than it may however much a file shrank.
  /// `on_bytes` takes the raw bytes of each step.
  Turn read_on(InputFile& file, std::uint64_t bytes_max, const std::stop_token& stop,
               const std::function<void(std::uint64_t)>& on_bytes = {});
  /// The file has ended: its last line counts without a line end, anything else unfinished makes it
  /// a bad input.
  void finish(InputFile& file);

  [[nodiscard]] bool has_positions() const noexcept { return !positions_.empty(); }
  /// Commits what was read with its positions. False: nothing of it is durable and the source must
  /// end, since what comes next would leave a hole.
  bool commit(const std::stop_token& stop);
  [[nodiscard]] bool halted() const noexcept { return halted_; }
  [[nodiscard]] const std::optional<Error>& failure() const noexcept { return failure_; }

  /// Once a path, however often it is tried; forgotten when it can be read after all.
  void report_bad(const std::string& path, const std::string& why);
  void forget_bad(const std::string& path);
  /// What is no fault, and yet to be seen.
  void notice(const std::string& text);

 private:
  Turn read_object(InputFile& file, std::uint64_t bytes_max, const std::stop_token& stop,
                   const std::function<void(std::uint64_t)>& on_bytes);
  Turn read_pieces(InputFile& file, FileTurn& pieces, const std::stop_token& stop,
                   const std::function<void(std::uint64_t)>& on_bytes);
  void note(InputFile& file, bool done);
  void count(InputFile& file, std::uint64_t raw_bytes);
  Result<std::optional<FilePosition>> stored_position(const std::string& key);
  void resume(InputFile& file, const FilePosition& position);

  const SourceContext& context_;
  const SourceSettings& settings_;
  Batcher batcher_;
  FlowLogOverlap overlap_{batcher_.sink()};
  std::map<std::string, std::string> positions_;  // To go with the next commit.
  InflateAhead inflate_ahead_;
  PieceMemory memory_;
  bool halted_ = false;
  std::optional<Error> failure_;
};

}  // namespace fleetmeter::ingest
