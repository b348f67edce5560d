#include "ingest/kafka_snapshots.h"

#include <openssl/sha.h>

#include <algorithm>

#include "ingest/kafka_topic.h"
#include "proto/kafka.pb.h"

namespace fleetmeter::ingest {

namespace {

constexpr std::size_t kChunkBytes = 512 * 1024;
constexpr std::uint32_t kSlots = 2;

std::string digest(const std::string& bytes) {
  unsigned char out[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), out);
  return {reinterpret_cast<const char*>(out), sizeof out};
}

std::string chunk_key(std::uint32_t slot, std::uint32_t chunk) {
  return std::to_string(slot) + "/" + std::to_string(chunk);
}

std::optional<FoundSnapshot> assemble(std::map<std::string, proto::SnapshotChunk>& chunks,
                                      std::uint32_t slot) {
  const auto first = chunks.find(chunk_key(slot, 0));
  if (first == chunks.end()) return std::nullopt;
  FoundSnapshot found;
  found.slot = slot;
  found.snapshot.position = first->second.position();
  found.snapshot.schema = first->second.schema();
  for (std::uint32_t i = 0; i < first->second.chunks(); ++i) {
    const auto piece = chunks.find(chunk_key(slot, i));
    if (piece == chunks.end() || piece->second.sha256() != first->second.sha256() ||
        piece->second.position() != first->second.position()) {
      return std::nullopt;
    }
    found.snapshot.state += piece->second.state();
  }
  if (digest(found.snapshot.state) != first->second.sha256()) return std::nullopt;
  return found;
}

}  // namespace

std::vector<KafkaRecord> snapshot_records(const std::string& prefix,
                                          aggregator::LogPartition partition, std::uint32_t slot,
                                          const aggregator::Snapshot& snapshot) {
  const std::string sum = digest(snapshot.state);
  const std::size_t chunks =
      std::max<std::size_t>((snapshot.state.size() + kChunkBytes - 1) / kChunkBytes, 1);
  std::vector<KafkaRecord> records;
  for (std::size_t i = 0; i < chunks; ++i) {
    proto::SnapshotChunk chunk;
    chunk.set_position(snapshot.position);
    chunk.set_schema(snapshot.schema);
    chunk.set_chunk(static_cast<std::uint32_t>(i));
    chunk.set_chunks(static_cast<std::uint32_t>(chunks));
    chunk.set_sha256(sum);
    chunk.set_state(snapshot.state.substr(i * kChunkBytes, kChunkBytes));
    records.push_back({{prefix + ".snapshots", partition},
                       chunk_key(slot % kSlots, static_cast<std::uint32_t>(i)),
                       chunk.SerializeAsString()});
  }
  return records;
}

Result<std::optional<FoundSnapshot>> find_snapshot(const KafkaConnection& connection,
                                                   const std::string& prefix,
                                                   aggregator::LogPartition partition) {
  auto reader = TopicReader::open(connection, {prefix + ".snapshots", partition}, true);
  if (!reader) return std::move(reader).error();
  std::map<std::string, proto::SnapshotChunk> chunks;
  auto folded = (*reader)->fold(0, [&](TopicMessage& message) -> Result<void> {
    proto::SnapshotChunk chunk;
    if (!chunk.ParseFromString(message.value)) chunk.Clear();  // A piece that is missing.
    chunks[message.key] = std::move(chunk);
    return {};
  });
  if (!folded) return std::move(folded).error();
  std::optional<FoundSnapshot> newest;
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    auto found = assemble(chunks, slot);
    if (found && (!newest || found->snapshot.position >= newest->snapshot.position))
      newest = std::move(found);
  }
  return newest;
}

}  // namespace fleetmeter::ingest
