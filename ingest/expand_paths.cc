#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <span>

#include "ingest/file_position.h"
#include "ingest/files_source.h"

namespace fleetmeter::ingest {

namespace {

namespace fs = std::filesystem;

/// What one of the paths leads to.
struct Found {
  std::set<std::string> files;                    ///< Ordered, so that two runs read in one order.
  std::map<std::string, std::string> unreadable;  ///< What could not be looked at, and why.
  std::set<std::pair<dev_t, ino_t>> walked;       ///< Directories whose whole trees were taken.
};

bool has_wildcard(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

/// Hidden files are copies in the making (rsync, editors), as they are to the shell's `*`.
bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

/// What is not there is no problem: it went away since it was listed, or is no match. A link that
/// leads nowhere is one.
void note_unreadable(const fs::path& path, std::error_code why, Found& found) {
  std::error_code ignored;
  const bool is_absent =
      why == std::errc::no_such_file_or_directory || why == std::errc::not_a_directory;
  if (is_absent && (!fs::is_symlink(path, ignored) || fs::exists(path, ignored))) return;
  found.unreadable.emplace(path.string(), why.message());
}

/// Nothing of a directory that cannot be listed, or is none.
std::vector<fs::directory_entry> entries_of(const fs::path& directory, Found& found) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  fs::directory_iterator walk(directory, error);
  for (; !error && walk != fs::directory_iterator(); walk.increment(error))
    entries.push_back(*walk);
  if (error) note_unreadable(directory, error, found);
  return entries;
}

/// False when the directory was walked for this path before, under whatever name: a link may lead
/// back up.
bool walks_first(const fs::path& directory, Found& found) {
  struct stat status {};
  return stat(directory.c_str(), &status) != 0 ||
         found.walked.emplace(status.st_dev, status.st_ino).second;
}

/// Regular files below `root`. A directory that goes away meanwhile, or cannot be listed, costs
/// itself alone. Those that links lead to come last: what lies in the tree keeps its own name.
void add_tree(const fs::path& root, Found& found) {
  std::set<fs::path> directories{root}, links;
  while (!directories.empty() || !links.empty()) {
    std::set<fs::path>& from = directories.empty() ? links : directories;
    const fs::path next = std::move(from.extract(from.begin()).value());
    if (!walks_first(next, found)) continue;
    for (const fs::directory_entry& entry : entries_of(next, found)) {
      const fs::path& path = entry.path();
      if (is_hidden(path)) continue;
      std::error_code error, ignored;
      if (entry.is_regular_file(error)) found.files.insert(path.string());
      if (error) note_unreadable(path, error, found);
      if (!error && entry.is_directory(ignored))
        (entry.is_symlink(ignored) ? links : directories).insert(path);
    }
  }
}

/// A file of any kind, or all regular ones below a directory.
void add_named(const fs::path& path, Found& found) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) return add_tree(path, found);
  if (fs::exists(status)) found.files.insert(path.string());
  if (!fs::exists(status)) note_unreadable(path, error, found);
}

/// What matches `pattern`, part by part, below `root`. Not by glob(3), which keeps silent about some
/// of what it cannot look at.
void add_glob(const fs::path& root, std::span<const fs::path> pattern, Found& found) {
  if (pattern.empty()) return add_named(root, found);
  const auto rest = pattern.subspan(1);
  const std::string& part = pattern.front().native();
  if (!has_wildcard(part)) return add_glob(root / part, rest, found);
  for (const fs::directory_entry& entry : entries_of(root.empty() ? "." : root, found)) {
    const fs::path name = entry.path().filename();
    if (fnmatch(part.c_str(), name.c_str(), FNM_PERIOD) == 0) add_glob(root / name, rest, found);
  }
}

/// Part by part; `**` is any number of parts, none included.
bool matches(std::span<const std::string> pattern, std::span<const std::string> path) {
  if (pattern.empty()) return path.empty();
  if (pattern.front() == "**") {
    for (std::size_t skipped = 0; skipped <= path.size(); ++skipped) {
      if (matches(pattern.subspan(1), path.subspan(skipped))) return true;
    }
    return false;
  }
  return !path.empty() && fnmatch(pattern.front().c_str(), path.front().c_str(), FNM_PERIOD) == 0 &&
         matches(pattern.subspan(1), path.subspan(1));
}

std::vector<std::string> parts_of(const fs::path& path) {
  std::vector<std::string> parts;
  for (const fs::path& part : path) {
    if (!part.empty()) parts.push_back(part.string());
  }
  if (!parts.empty() && parts.back() == "**") parts.emplace_back("*");  // All files at any depth.
  return parts;
}

/// The tree below what comes before the first wildcard, filtered by the rest.
void add_deep_glob(const std::string& pattern, Found& found) {
  fs::path root, rest;
  for (const fs::path& part : fs::path(pattern)) {
    if (rest.empty() && !has_wildcard(part.native())) {
      root /= part;
    } else {
      rest /= part;
    }
  }
  const std::vector<std::string> wanted = parts_of(rest);
  const fs::path top = root.empty() ? fs::path(".") : root;
  Found below;
  add_tree(top, below);
  found.unreadable.merge(below.unreadable);
  for (const std::string& path : below.files) {
    const fs::path inside = fs::path(path).lexically_relative(top);
    if (matches(wanted, parts_of(inside)))
      found.files.insert(root.empty() ? inside.string() : path);
  }
}

struct Candidate {
  std::string path;
  std::string inode;  ///< Device and inode; the path where it has none.
  std::uint64_t size_bytes = 0;
};

Candidate candidate(const std::string& path) {
  struct stat status {};
  if (path == "-" || stat(path.c_str(), &status) != 0) return {path, path, 0};
  return {path, std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino),
          static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0))};
}

/// Each file once under its first name, by device and inode; of those that have the name of one
/// object, where AWS gave it, the largest: a copy may be empty or cut (docs/time.md 10).
std::vector<std::string> without_copies(const std::vector<std::string>& paths) {
  std::vector<Candidate> all;
  std::map<std::string, std::string> names;  // By inode, whatever its other names.
  for (const std::string& path : paths) {
    all.push_back(candidate(path));
    const std::string name = fs::path(path).filename().string();
    if (is_aws_object_name(name)) names.try_emplace(all.back().inode, name);
  }
  const auto identity = [&names](const Candidate& file) {
    const auto named = names.find(file.inode);
    return named == names.end() ? file.inode : named->second;
  };
  std::map<std::string, const Candidate*> kept;
  for (const Candidate& file : all) {
    const Candidate*& largest = kept[identity(file)];
    if (largest == nullptr || file.size_bytes > largest->size_bytes) largest = &file;
  }
  std::vector<std::string> once;
  for (const Candidate& file : all) {
    if (kept[identity(file)] == &file) once.push_back(file.path);
  }
  return once;
}

/// A file may have a name that looks like a pattern; then it is meant.
Found find(const std::string& path) {
  Found found;
  std::error_code ignored;
  if (path == "-") {
    found.files.insert(path);
  } else if (!has_wildcard(path) || fs::exists(path, ignored)) {
    add_named(path, found);
  } else if (path.find("**") != std::string::npos) {
    add_deep_glob(path, found);
  } else {
    const fs::path pattern(path);
    add_glob({}, std::vector<fs::path>(pattern.begin(), pattern.end()), found);
  }
  if (found.files.empty() && found.unreadable.empty()) {
    const bool exists = fs::exists(path, ignored);
    found.unreadable.emplace(path, exists ? "holds no file" : "no such file, directory or match");
  }
  return found;
}

}  // namespace

ExpandedPaths expand_paths(const std::vector<std::string>& paths) {
  ExpandedPaths all;
  std::vector<std::string> files;
  std::set<std::string> reported;
  for (const std::string& path : paths) {
    const Found found = find(path);
    for (const auto& [where, why] : found.unreadable) {
      if (reported.insert(where).second) all.missing.emplace_back(where, why);
    }
    files.insert(files.end(), found.files.begin(), found.files.end());
  }
  all.files = without_copies(files);
  return all;
}

}  // namespace fleetmeter::ingest
