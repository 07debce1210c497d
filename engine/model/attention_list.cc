#include "engine/model/attention_list.h"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

using Json = nlohmann::json;

// A parameter of a pattern; 0 where the entry has none.
absl::StatusOr<int> ParseSpan(JsonObject& entry, absl::string_view name) {
  if (entry.Find(name) == nullptr) return 0;
  ASSIGN_OR_RETURN(const int64_t span, entry.Integer(name, {1, kMaxPatternSpan}));
  return static_cast<int>(span);
}

absl::StatusOr<AttentionPattern::Spec> ParseSpec(const Json* value, const std::string& path) {
  ASSIGN_OR_RETURN(JsonObject entry, JsonObject::Create(value, path));
  ASSIGN_OR_RETURN(const std::string name, entry.String("pattern"));
  const absl::StatusOr<PatternKind> kind = PatternKindFromName(name);
  if (!kind.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ".", kind.status().message()));
  }
  AttentionPattern::Spec spec = {.kind = *kind};
  ASSIGN_OR_RETURN(spec.window, ParseSpan(entry, "window"));
  ASSIGN_OR_RETURN(spec.stride, ParseSpan(entry, "stride"));
  ASSIGN_OR_RETURN(spec.cells, ParseSpan(entry, "cells"));
  ASSIGN_OR_RETURN(spec.spread, ParseSpan(entry, "spread"));
  RETURN_IF_ERROR(entry.RefuseOthers());
  return spec;
}

absl::StatusOr<AttentionPattern> PatternOfHead(AttentionPattern::Spec spec, int head,
                                               absl::string_view path) {
  spec.head = head;
  absl::StatusOr<AttentionPattern> pattern = AttentionPattern::Create(spec);
  if (pattern.ok()) return pattern;
  return absl::InvalidArgumentError(absl::StrCat(path, ".", pattern.status().message()));
}

absl::StatusOr<std::vector<AttentionPattern>> ParseHeads(const Json* value, const std::string& path,
                                                         int n_head) {
  ASSIGN_OR_RETURN(JsonObject entry, JsonObject::Create(value, path));
  ASSIGN_OR_RETURN(const std::vector<const Json*> heads, entry.List("heads", {n_head, n_head}));
  RETURN_IF_ERROR(entry.RefuseOthers());
  std::vector<AttentionPattern> patterns;
  for (int head = 0; head < n_head; ++head) {
    const std::string head_path = absl::StrCat(path, ".heads[", head, "]");
    ASSIGN_OR_RETURN(const AttentionPattern::Spec spec,
                     ParseSpec(heads[static_cast<size_t>(head)], head_path));
    ASSIGN_OR_RETURN(const AttentionPattern pattern, PatternOfHead(spec, head, head_path));
    patterns.push_back(pattern);
  }
  return patterns;
}

absl::StatusOr<std::vector<AttentionPattern>> ParseEntry(const Json* value, const std::string& path,
                                                         int n_head) {
  if (value->is_object() && value->contains("heads")) return ParseHeads(value, path, n_head);
  ASSIGN_OR_RETURN(const AttentionPattern::Spec spec, ParseSpec(value, path));
  std::vector<AttentionPattern> patterns;
  for (int head = 0; head < n_head; ++head) {
    ASSIGN_OR_RETURN(const AttentionPattern pattern, PatternOfHead(spec, head, path));
    patterns.push_back(pattern);
  }
  return patterns;
}

}  // namespace

absl::StatusOr<std::vector<std::vector<AttentionPattern>>> ParseAttention(JsonObject& config,
                                                                          int n_layer, int n_head) {
  ASSIGN_OR_RETURN(const std::vector<const Json*> entries, config.List("attention", {1, n_layer}));
  std::vector<std::vector<AttentionPattern>> cycle;
  for (const Json* entry : entries) {
    const std::string path = config.PathOf(absl::StrCat("attention[", cycle.size(), "]"));
    ASSIGN_OR_RETURN(std::vector<AttentionPattern> heads, ParseEntry(entry, path, n_head));
    cycle.push_back(std::move(heads));
  }
  std::vector<std::vector<AttentionPattern>> layers;
  for (int layer = 0; layer < n_layer; ++layer) {
    layers.push_back(cycle[static_cast<size_t>(layer) % cycle.size()]);
  }
  return layers;
}

}  // namespace strided
