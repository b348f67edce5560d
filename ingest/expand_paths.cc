#include <fnmatch.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "ingest/files_source.h"

namespace fleetmeter::ingest {

namespace {

namespace fs = std::filesystem;

bool has_wildcard(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

void add_tree(const fs::path& root, std::set<std::string>& found) {
  std::error_code error;
  auto walk =
      fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    std::error_code ignored;
    if (walk->is_regular_file(ignored)) found.insert(walk->path().string());
  }
}

/// `**` matches any number of directories: the tree below the part before it, filtered by the whole
/// pattern.
void add_pattern(const std::string& pattern, std::set<std::string>& found) {
  const std::size_t stars = pattern.find("**");
  if (stars == std::string::npos) {
    glob_t matches{};
    if (glob(pattern.c_str(), GLOB_MARK, nullptr, &matches) == 0) {
      for (std::size_t i = 0; i < matches.gl_pathc; ++i) {
        const std::string path = matches.gl_pathv[i];
        if (path.back() == '/') add_tree(path, found);
        if (path.back() != '/') found.insert(path);
      }
    }
    globfree(&matches);
    return;
  }
  std::set<std::string> below;
  const std::size_t slash = pattern.rfind('/', stars);
  add_tree(slash == std::string::npos ? fs::path(".") : fs::path(pattern.substr(0, slash + 1)),
           below);
  // Without FNM_PATHNAME `*` crosses slashes, so `a/**/b*.gz` becomes `a/*b*.gz` besides itself:
  // `**/` also matches nothing.
  std::string loose = pattern;
  for (std::size_t at = loose.find("**/"); at != std::string::npos; at = loose.find("**/"))
    loose.replace(at, 3, "*");
  for (const std::string& path : below) {
    const std::string shown =
        slash == std::string::npos ? path.substr(path.starts_with("./") ? 2 : 0) : path;
    if (fnmatch(loose.c_str(), shown.c_str(), 0) == 0) found.insert(shown);
  }
}

}  // namespace

Result<std::vector<std::string>> expand_paths(const std::vector<std::string>& paths) {
  std::vector<std::string> all;
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
    } else if (has_wildcard(path)) {
      add_pattern(path, found);
    }
    if (found.empty()) {
      const bool exists = fs::exists(path, error);
      return Error{ErrorCode::kNotFound,
                   path + (exists ? ": holds no file" : ": no such file, directory or match")};
    }
    for (const std::string& file : found) {
      if (seen.insert(file).second) all.push_back(file);
    }
  }
  return all;
}

}  // namespace fleetmeter::ingest
