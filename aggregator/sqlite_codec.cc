#include "aggregator/sqlite_codec.h"

#include <openssl/evp.h>
#include <zlib.h>
#include <zstd.h>

#include <memory>

#include "proto/check.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::int64_t kPlain = 0;
constexpr std::int64_t kZstd = 1;
// Below this a frame saves less than a page's slack.
constexpr std::size_t kCompressFrom = 512;

/// Bytes that a thread keeps for its next record: not filled with zeros, which would cost more than
/// a small record, and touch what it does not need.
class Buffer {
 public:
  [[nodiscard]] char* of_size(std::size_t size) {
    if (size > size_) {
      bytes_ = std::make_unique_for_overwrite<char[]>(size);
      size_ = size;
    }
    return bytes_.get();
  }
  /// A large one is not kept.
  void give_back() noexcept {
    if (size_ <= kKept) return;
    bytes_.reset();
    size_ = 0;
  }

 private:
  static constexpr std::size_t kKept = 4u << 20;
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

using Compressor = std::unique_ptr<ZSTD_CCtx, FreeCompressor>;

Compressor make_compressor() {
  Compressor made(ZSTD_createCCtx());
  // Two thirds of the time of level 1, and half of it to read, for 7 % more bytes of flow sums.
  ZSTD_CCtx_setParameter(made.get(), ZSTD_c_compressionLevel, -1);
  // Columns repeat each other: of one sample minimum, maximum and sum are the same. The level's own
  // window is shorter than a large commit's column.
  ZSTD_CCtx_setParameter(made.get(), ZSTD_c_windowLog, 21);
  return made;
}

std::uint32_t crc_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

std::string compress_bytes(std::string_view plain) {
  // A context costs more than a small frame: one a thread, kept.
  thread_local const Compressor context = make_compressor();
  thread_local Buffer buffer;
  const std::size_t bound = ZSTD_compressBound(plain.size());
  char* const out = buffer.of_size(bound);
  const std::size_t size = ZSTD_compress2(context.get(), out, bound, plain.data(), plain.size());
  FM_CHECK(!ZSTD_isError(size));  // The bound always fits.
  std::string packed(out, size);
  buffer.give_back();
  return packed;
}

bool decompress_bytes(std::string_view packed, std::string& out) {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) return false;
  // Callers check a checksum of `packed` or of the result; a damaged size must not ask for the
  // whole memory first.
  if (size > (std::uint64_t{1} << 32)) return false;
  out.resize(static_cast<std::size_t>(size));
  const std::size_t got =
      ZSTD_decompressDCtx(context.get(), out.data(), out.size(), packed.data(), packed.size());
  return !ZSTD_isError(got) && got == size;
}

StoredRecord encode_record(const proto::LogRecord& record, bool compress) {
  StoredRecord stored{.append_ms = record.append_time_ms(), .codec = kPlain, .crc = 0, .bytes = {}};
  thread_local Buffer buffer;
  const std::size_t size = record.ByteSizeLong();
  char* const out = buffer.of_size(size);
  (void)record.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(out));
  const std::string_view plain(out, size);
  if (compress && plain.size() >= kCompressFrom) {
    std::string packed = compress_bytes(plain);
    if (packed.size() < plain.size() - plain.size() / 10) {
      stored.bytes = std::move(packed);
      stored.codec = kZstd;
    }
  }
  if (stored.codec == kPlain) stored.bytes = plain;
  buffer.give_back();
  stored.crc = crc_of(stored.bytes);
  return stored;
}

bool decode_record(std::int64_t codec, std::uint32_t crc, std::string_view bytes,
                   proto::LogRecord& out) {
  if (crc_of(bytes) != crc) return false;
  if (codec == kPlain) return out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (codec != kZstd) return false;
  thread_local std::string plain;
  return decompress_bytes(bytes, plain) && out.ParseFromString(plain);
}

std::string sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  unsigned int size = 0;
  const int done =
      EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
                 EVP_sha256(), nullptr);
  FM_CHECK(done == 1);
  FM_CHECK(size == 32);
  return digest;
}

std::string once_digest(std::string_view key) { return sha256(key).substr(0, 16); }

}  // namespace fleetmeter::aggregator
