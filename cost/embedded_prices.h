#pragma once

#include <span>
#include <string_view>

namespace fleetmeter::cost {

struct EmbeddedFile {
  std::string_view name, text;
};

/// The files of cost/prices/ as they were at build time (cost/embed_prices.cmake writes the
/// definition).
[[nodiscard]] std::span<const EmbeddedFile> embedded_prices() noexcept;

}  // namespace fleetmeter::cost
