#include "ingest/file_turn.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <span>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include "ingest/file_bytes.h"

namespace fleetmeter::ingest {

namespace {

constexpr int kWaitMs = 200;  // For pipes; between two looks at a stop token.
/// Less is inflated while a thread starts and its pieces change caches.
constexpr std::uint64_t kAheadBytesMin = 1u << 20;

std::atomic<unsigned> threads_ahead{0};  // In this process.

bool is_compressed(const FileBytes& file) {
  std::array<char, 4> magic{};
  return file.read(0, magic.data(), magic.size()) &&
         parsers::compression_of({magic.data(), magic.size()}) != parsers::Compression::kNone;
}

bool pays(int fd, const FileBytes& file, std::uint64_t bytes_max) {
  const off_t at = lseek(fd, 0, SEEK_CUR);
  const std::uint64_t size = file.size_bytes();
  const std::uint64_t left =
      at < 0 || static_cast<std::uint64_t>(at) > size ? 0 : size - static_cast<std::uint64_t>(at);
  return std::min(left, bytes_max) >= kAheadBytesMin &&
         threads_ahead < std::thread::hardware_concurrency() / 2;
}

}  // namespace

struct FileTurn::Reading {
  Step next(PieceMemory::Slot& slot) {
    if (!has_more) {
      if (const Step step = read_chunk(); step != Step::kPiece) return step;
    }
    has_more = unpacker.unpack(rest, slot.room, slot.piece);
    return Step::kPiece;
  }

  Step read_chunk() {
    if (bytes_left == 0) return Step::kEnoughRead;
    pollfd asked{fd, POLLIN, 0};
    if (waits && poll(&asked, 1, kWaitMs) == 0) return Step::kNothingYet;
    const std::int64_t got = read_some(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EAGAIN) return Step::kNothingYet;  // Another reader was faster.
    if (got < 0) error_number = errno;
    if (got <= 0) return got == 0 ? Step::kFileEnd : Step::kFailed;
    rest = {chunk.data(), static_cast<std::size_t>(got)};
    bytes_left -= std::min(bytes_left, static_cast<std::uint64_t>(got));
    return Step::kPiece;
  }

  const int fd;
  const bool waits;
  parsers::Unpacker& unpacker;
  const std::span<char> chunk;
  std::uint64_t bytes_left;
  std::string_view rest = {};  // Of the chunk, what is not unpacked yet.
  bool has_more = false;       // `rest`, or what the unpacker holds.
  int error_number = 0;
};

/// A ring of pieces between the thread that inflates, which waits while it is full, and the one
/// that parses, which waits while it is empty.
class FileTurn::Ahead {
 public:
  Ahead(Reading& reading, PieceMemory& memory) : reading_(reading) {
    if (!memory.ahead) memory.ahead = std::make_unique<Ring>();
    ring_ = memory.ahead.get();
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    ++threads_ahead;
  }
  ~Ahead() { --threads_ahead; }
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

  Next next() {
    std::unique_lock lock(mutex_);
    if (std::exchange(handed_out_, false)) ++freed_;
    changed_.notify_one();
    changed_.wait(lock, [this] { return made_ != freed_ || ended_ != Step::kPiece; });
    if (made_ == freed_) return {ended_, nullptr};
    handed_out_ = true;
    return {Step::kPiece, &slot(freed_).piece};
  }

 private:
  using Ring = std::array<PieceMemory::Slot, PieceMemory::kAheadPieces>;
  PieceMemory::Slot& slot(std::uint64_t piece) { return (*ring_)[piece % ring_->size()]; }

  void run(const std::stop_token& stop) {
    for (std::uint64_t piece = 0;; ++piece) {
      {
        std::unique_lock lock(mutex_);
        const bool has_room = changed_.wait(
            lock, stop, [&] { return stop.stop_requested() || piece - freed_ < ring_->size(); });
        if (!has_room || stop.stop_requested()) return;
      }
      const Step step = make(slot(piece));
      const std::lock_guard lock(mutex_);
      if (step == Step::kPiece) ++made_;
      ended_ = step;
      changed_.notify_one();
      if (step != Step::kPiece) return;
    }
  }

  Step make(PieceMemory::Slot& slot) {
    const Step step = reading_.next(slot);
    parsers::PlainPiece& piece = slot.piece;
    if (step == Step::kPiece && piece.room == nullptr && !piece.plain.empty()) {
      // Plain after all, another text in the same place: the chunk it lies in is read over.
      std::memcpy(slot.room.data(), piece.plain.data(), piece.plain.size());
      piece.plain = {slot.room.data(), piece.plain.size()};
      piece.room = &slot.room;
    }
    return step;
  }
  static_assert(PieceMemory::kReadBytes <= parsers::PieceRoom::kBytes);

  Reading& reading_;  // The thread's.
  Ring* ring_;        // Its pieces in [freed_, made_) are the parser's, the rest the thread's.
  bool handed_out_ = false;  // The oldest piece; the parser's.
  std::mutex mutex_;         // Guards the three below.
  std::condition_variable_any changed_;
  std::uint64_t made_ = 0;
  std::uint64_t freed_ = 0;
  Step ended_ = Step::kPiece;  // How the turn ended, once it has.
  std::jthread thread_;        // Last: it works on all of the above.
};

FileTurn::FileTurn(int fd, bool waits, parsers::Unpacker& unpacker, PieceMemory& memory,
                   std::uint64_t bytes_max, InflateAhead ahead)
    : memory_(memory), reading_(new Reading{fd, waits, unpacker, memory.chunk->bytes, bytes_max}) {
  const FileBytes file(fd);
  const bool wanted =
      !waits && (ahead == InflateAhead::kAlways ||
                 (ahead == InflateAhead::kWhereItPays && pays(fd, file, bytes_max)));
  if (!wanted || !is_compressed(file)) return;
  try {
    ahead_ = std::make_unique<Ahead>(*reading_, memory);
  } catch (const std::system_error&) {
    // No thread to be had: it is inflated here.
  }
}

FileTurn::~FileTurn() = default;

FileTurn::Next FileTurn::next() {
  if (ahead_) return ahead_->next();
  const Step step = reading_->next(memory_.slot);
  return {step, step == Step::kPiece ? &memory_.slot.piece : nullptr};
}

int FileTurn::error_number() const noexcept { return reading_->error_number; }

}  // namespace fleetmeter::ingest
