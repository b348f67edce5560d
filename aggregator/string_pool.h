#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "parsers/index_table.h"

namespace fleetmeter::aggregator {

/// Texts by small id; 0 is the empty text. Ids stay valid until clear().
class StringPool {
 public:
  StringPool() { texts_.emplace_back(); }

  std::uint32_t intern(std::string_view text) {
    if (text.empty()) return 0;
    const std::uint64_t hash = parsers::hash_text(text);
    std::uint32_t id =
        table_.find(hash, [&](std::uint32_t index) { return texts_[index] == text; });
    if (id != parsers::IndexTable::kNone) return id;
    id = static_cast<std::uint32_t>(texts_.size());
    texts_.emplace_back(text);
    table_.insert(hash, id);
    return id;
  }
  [[nodiscard]] const std::string& text(std::uint32_t id) const { return texts_[id]; }
  [[nodiscard]] std::size_t size() const noexcept { return texts_.size(); }
  void clear() {
    texts_.resize(1);
    table_.clear();
  }

 private:
  std::deque<std::string> texts_;
  parsers::IndexTable table_;
};

}  // namespace fleetmeter::aggregator
