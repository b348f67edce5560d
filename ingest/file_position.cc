#include "ingest/file_position.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <vector>

namespace fleetmeter::ingest {

namespace {

/// FNV-1a: tells files apart, guards against nothing.
std::uint64_t hash_bytes(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

std::optional<std::uint64_t> take_field(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return value;
}

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_flow_log_name(std::string_view file_name) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = file_name.find('_');
    parts.push_back(file_name.substr(0, end));
    if (end == std::string_view::npos) break;
    file_name.remove_prefix(end + 1);
  }
  if (parts.size() != 6) return false;
  const std::string_view time = parts[4], last = parts[5];
  return all_digits(parts[0]) && parts[1] == "vpcflowlogs" && parts[3].starts_with("fl-") &&
         time.size() == 14 && all_digits(time.substr(0, 8)) && time[8] == 'T' &&
         all_digits(time.substr(9, 4)) && time[13] == 'Z' &&
         (last.ends_with(".log.gz") || last.ends_with(".log.parquet"));
}

/// Whether `text` looks like `form`: `0` is a digit, `x` a hexadecimal one, all else itself.
bool has_form(std::string_view text, std::string_view form) {
  return std::equal(text.begin(), text.end(), form.begin(), form.end(), [](char c, char wanted) {
    if (wanted == '0') return c >= '0' && c <= '9';
    if (wanted == 'x') return std::isxdigit(static_cast<unsigned char>(c)) != 0;
    return c == wanted;
  });
}

bool is_firehose_name(std::string_view file_name) {
  constexpr std::string_view kForm = "-0000-00-00-00-00-00-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  for (const std::string_view extension : {".gz", ".zst", ".parquet"}) {
    if (!file_name.ends_with(extension)) continue;
    file_name.remove_suffix(extension.size());
    break;
  }
  if (file_name.size() < kForm.size()) return false;
  const std::string_view stream = file_name.substr(0, file_name.size() - kForm.size());
  const std::size_t version = stream.rfind('-');
  return version != std::string_view::npos && version > 0 &&
         all_digits(stream.substr(version + 1)) && has_form(file_name.substr(stream.size()), kForm);
}

}  // namespace

std::string encode(const FilePosition& position) {
  std::string text = "1";
  for (const std::uint64_t field :
       {position.stream.member_start, position.stream.plain_bytes,
        std::uint64_t{position.head_bytes}, position.head_hash,
        std::uint64_t{position.done} | std::uint64_t{position.stream.line_open} << 1,
        position.size}) {
    text += ' ' + std::to_string(field);
  }
  return text + ' ' + position.stream.layout;
}

std::optional<FilePosition> decode_position(std::string_view text) {
  if (take_field(text) != 1u) return std::nullopt;
  FilePosition position;
  std::uint64_t fields[6];
  for (std::uint64_t& field : fields) {
    const auto value = take_field(text);
    if (!value) return std::nullopt;
    field = *value;
  }
  position.stream.member_start = fields[0];
  position.stream.plain_bytes = fields[1];
  position.head_bytes = static_cast<std::uint32_t>(fields[2]);
  position.head_hash = fields[3];
  position.done = (fields[4] & 1) != 0;
  position.stream.line_open = (fields[4] & 2) != 0;
  position.size = fields[5];
  position.stream.layout = std::string(text);
  return position;
}

bool is_aws_object_name(std::string_view file_name) {
  return is_flow_log_name(file_name) || is_firehose_name(file_name);
}

std::optional<FileIdentity> identify(int fd, const std::string& source, const std::string& path,
                                     std::uint32_t head_bytes) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return std::nullopt;
  FileIdentity identity;
  identity.size = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  const std::string name = std::filesystem::path(path).filename().string();
  identity.named = is_aws_object_name(name);
  identity.inode_key =
      source + "/" + std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  identity.key = identity.named ? source + "/name:" + name : identity.inode_key;
  const std::uint64_t wanted =
      head_bytes != 0 ? head_bytes : std::min<std::uint64_t>(kHeadBytesMax, identity.size);
  std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(wanted, kHeadBytesMax)), '\0');
  std::size_t filled = 0;
  while (filled < head.size()) {
    const ssize_t got =
        pread(fd, head.data() + filled, head.size() - filled, static_cast<off_t>(filled));
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  identity.head_bytes = static_cast<std::uint32_t>(filled);
  identity.head_hash = hash_bytes(std::string_view(head).substr(0, filled));
  return identity;
}

}  // namespace fleetmeter::ingest
