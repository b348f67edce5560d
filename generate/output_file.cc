#include "generate/output_file.h"

#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

namespace fleetmeter::generate {
namespace {

constexpr std::size_t kOutBytes = 256 * 1024;

Error failed(const std::filesystem::path& path, std::string_view what) {
  return {ErrorCode::kUnavailable,
          path.string() + ": " + std::string(what) + ": " + std::strerror(errno)};
}

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

}  // namespace

struct OutputFile::State {
  std::filesystem::path path;
  std::unique_ptr<std::FILE, CloseFile> file;
  bool gzip = false;
  isal_zstream stream{};
  std::vector<std::uint8_t> level_buffer, out;
  std::uint64_t plain_bytes = 0;
  std::uint64_t written_bytes = 0;

  Result<void> put(const void* data, std::size_t bytes) {
    if (std::fwrite(data, 1, bytes, file.get()) != bytes) return failed(path, "cannot write");
    written_bytes += bytes;
    return {};
  }

  Result<void> deflate(std::string_view text, bool last) {
    FM_CHECK(text.size() <= std::numeric_limits<std::uint32_t>::max());
    // The library takes a pointer to non-const, and only reads it.
    stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<std::uint32_t>(text.size());
    stream.end_of_stream = last ? 1 : 0;
    do {
      stream.next_out = out.data();
      stream.avail_out = static_cast<std::uint32_t>(out.size());
      const int status = isal_deflate(&stream);
      FM_CHECK(status == COMP_OK);
      if (auto done = put(out.data(), out.size() - stream.avail_out); !done) return done;
    } while (stream.avail_out == 0 || (last && stream.internal_state.state != ZSTATE_END));
    return {};
  }
};

OutputFile::OutputFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
OutputFile::~OutputFile() = default;

Result<std::unique_ptr<OutputFile>> OutputFile::create(const std::filesystem::path& path,
                                                       bool gzip) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) {
    return Error{ErrorCode::kUnavailable,
                 path.parent_path().string() + ": cannot make the directory: " + error.message()};
  }
  auto state = std::make_unique<State>();
  state->path = path;
  state->file.reset(std::fopen(path.c_str(), "wbe"));
  if (!state->file) return failed(path, "cannot create");
  state->gzip = gzip;
  if (gzip) {
    state->out.resize(kOutBytes);
    state->level_buffer.resize(ISAL_DEF_LVL1_DEFAULT);
    isal_deflate_init(&state->stream);
    state->stream.gzip_flag = IGZIP_GZIP;
    state->stream.level = 1;
    state->stream.level_buf = state->level_buffer.data();
    state->stream.level_buf_size = static_cast<std::uint32_t>(state->level_buffer.size());
  }
  return std::unique_ptr<OutputFile>(new OutputFile(std::move(state)));
}

Result<void> OutputFile::write(std::string_view text) {
  FM_CHECK(state_->file != nullptr);
  state_->plain_bytes += text.size();
  if (text.empty()) return {};
  return state_->gzip ? state_->deflate(text, false) : state_->put(text.data(), text.size());
}

Result<void> OutputFile::close() {
  FM_CHECK(state_->file != nullptr);
  if (state_->gzip) {
    if (auto done = state_->deflate({}, true); !done) return done;
  }
  if (std::fclose(state_->file.release()) != 0) return failed(state_->path, "cannot close");
  return {};
}

std::uint64_t OutputFile::plain_bytes() const noexcept { return state_->plain_bytes; }
std::uint64_t OutputFile::written_bytes() const noexcept { return state_->written_bytes; }

Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  struct CloseGzip {
    void operator()(gzFile_s* file) const noexcept { gzclose(file); }
  };
  if (std::filesystem::is_directory(path)) {
    return Error{ErrorCode::kInvalidArgument,
                 path.string() + ": is a directory; name the files in it"};
  }
  std::unique_ptr<gzFile_s, CloseGzip> file(
      gzopen(path.c_str(), "rbe"));  // Reads plain files as they are.
  if (!file) return failed(path, "cannot open");
  std::string text;
  std::array<char, 128 * 1024> chunk;
  for (;;) {
    const int got = gzread(file.get(), chunk.data(), chunk.size());
    int code = Z_OK;
    const char* message = gzerror(file.get(), &code);
    if (got < 0 || (got == 0 && code == Z_BUF_ERROR)) {
      return Error{ErrorCode::kDataLoss,
                   path.string() + ": gzip is truncated or damaged: " + message};
    }
    if (got == 0) return text;
    if (text.size() + static_cast<std::size_t>(got) > bytes_max) {
      return Error{ErrorCode::kInvalidArgument,
                   path.string() + ": holds over " + std::to_string(bytes_max) + " bytes of text"};
    }
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace fleetmeter::generate
