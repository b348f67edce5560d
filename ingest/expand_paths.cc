#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <span>

#include "ingest/file_position.h"
#include "ingest/files_source.h"

namespace fleetmeter::ingest {

namespace {

namespace fs = std::filesystem;

bool has_wildcard(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

/// Hidden files are copies in the making (rsync, editors), as they are to the shell's `*`.
bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

/// Regular files below `root`. Directories are listed one by one: one that goes away meanwhile, or
/// cannot be listed, costs itself alone.
void add_tree(const fs::path& root, std::set<std::string>& found) {
  std::error_code error;
  fs::directory_iterator walk(root, error);
  for (; !error && walk != fs::directory_iterator(); walk.increment(error)) {
    if (is_hidden(walk->path())) continue;
    std::error_code ignored;
    // A link to a directory may lead back up.
    if (walk->is_directory(ignored) && !walk->is_symlink(ignored)) add_tree(walk->path(), found);
    if (walk->is_regular_file(ignored)) found.insert(walk->path().string());
  }
}

void add_glob(const std::string& pattern, std::set<std::string>& found) {
  glob_t matches{};
  if (glob(pattern.c_str(), GLOB_MARK, nullptr, &matches) == 0) {
    for (std::size_t i = 0; i < matches.gl_pathc; ++i) {
      const std::string path(matches.gl_pathv[i]);
      if (path.ends_with('/')) add_tree(path, found);
      if (!path.ends_with('/')) found.insert(path);
    }
  }
  globfree(&matches);
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
void add_deep_glob(const std::string& pattern, std::set<std::string>& found) {
  fs::path root, rest;
  for (const fs::path& part : fs::path(pattern)) {
    if (rest.empty() && !has_wildcard(part.native())) {
      root /= part;
    } else {
      rest /= part;
    }
  }
  const std::vector<std::string> wanted = parts_of(rest);
  std::set<std::string> below;
  add_tree(root.empty() ? fs::path(".") : root, below);
  for (const std::string& path : below) {
    const fs::path inside = fs::path(path).lexically_relative(root.empty() ? fs::path(".") : root);
    if (matches(wanted, parts_of(inside))) found.insert(root.empty() ? inside.string() : path);
  }
}

/// False if a file of its name, where AWS gave it, or of its device and inode was here (docs/time.md
/// 10).
bool is_new(const std::string& path, std::set<std::string>& seen) {
  const std::string name = fs::path(path).filename().string();
  const bool is_new_name = !is_aws_object_name(name) || seen.insert(name).second;
  struct stat status {};
  const bool is_named_only = path == "-" || stat(path.c_str(), &status) != 0;
  const std::string self =
      is_named_only ? path : std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  return seen.insert(self).second && is_new_name;
}

}  // namespace

ExpandedPaths expand_paths(const std::vector<std::string>& paths) {
  ExpandedPaths all;
  std::set<std::string> seen;
  for (const std::string& path : paths) {
    std::set<std::string> found;  // Ordered, so that two runs read in one order.
    std::error_code error;
    if (path == "-") {
      found.insert(path);
    } else if (fs::is_directory(path, error)) {
      add_tree(path, found);
    } else if (fs::exists(path, error)) {
      found.insert(path);
    } else if (path.find("**") != std::string::npos) {
      add_deep_glob(path, found);
    } else if (has_wildcard(path)) {
      add_glob(path, found);
    }
    if (found.empty()) {
      const bool exists = fs::exists(path, error);
      all.missing.emplace_back(path, exists ? "holds no file" : "no such file, directory or match");
    }
    for (const std::string& file : found) {
      if (is_new(file, seen)) all.files.push_back(file);
    }
  }
  return all;
}

}  // namespace fleetmeter::ingest
