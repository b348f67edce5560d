#include <yaml-cpp/yaml.h>

#include "aggregator/inventory_document.h"

namespace fleetmeter::aggregator {
namespace {

// An inventory has four levels; a file with more is an attack or a mistake.
constexpr int kDepthMax = 64;

Result<DocumentNode> convert(const YAML::Node& node, int depth) {
  DocumentNode out;
  out.line = node.Mark().line + 1;
  if (depth > kDepthMax) {
    return Error{ErrorCode::kInvalidArgument,
                 "line " + std::to_string(out.line) + ": nested too deeply"};
  }
  if (node.IsScalar()) {
    out.kind = DocumentNode::Kind::kScalar;
    out.text = node.Scalar();
  } else if (node.IsSequence()) {
    out.kind = DocumentNode::Kind::kList;
    for (const YAML::Node& item : node) {
      auto converted = convert(item, depth + 1);
      if (!converted) return converted;
      out.items.push_back(*std::move(converted));
    }
  } else if (node.IsMap()) {
    out.kind = DocumentNode::Kind::kMap;
    for (const auto& entry : node) {
      auto converted = convert(entry.second, depth + 1);
      if (!converted) return converted;
      if (!entry.first.IsScalar()) {
        return Error{
            ErrorCode::kInvalidArgument,
            "line " + std::to_string(entry.first.Mark().line + 1) + ": a key must be text"};
      }
      // Rule: YAML Language-Independent Types, "Merge Key": not part of YAML 1.2.
      if (entry.first.Scalar() == "<<") {
        return Error{ErrorCode::kInvalidArgument,
                     "line " + std::to_string(entry.first.Mark().line + 1) +
                         ": merge keys (<<) are not read; write the keys out"};
      }
      out.entries.emplace_back(entry.first.Scalar(), *std::move(converted));
    }
  }
  return out;
}

}  // namespace

Result<DocumentNode> parse_yaml_document(const std::string& text) {
  try {
    return convert(YAML::Load(text), 0);
  } catch (const YAML::Exception& failure) {
    const std::string place =
        failure.mark.is_null() ? "" : "line " + std::to_string(failure.mark.line + 1) + ": ";
    return Error{ErrorCode::kInvalidArgument, place + failure.msg};
  }
}

}  // namespace fleetmeter::aggregator
