#include "engine/model/attention_pattern.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/quoted.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

// What each kind is called and which parameters it takes, in the order of PatternKind.
struct KindRow {
  absl::string_view name;
  bool window;
  bool stride;
  bool cells;  // and spread
};

constexpr std::array<KindRow, 8> kKinds = {{
    {"dense", false, false, false},
    {"local", true, false, false},
    {"strided", false, true, false},
    {"local_strided", false, true, false},
    {"block", false, true, false},
    {"summary", false, true, true},
    {"fixed", false, true, true},
    {"previous_block", false, true, false},
}};

const KindRow& RowOf(PatternKind kind) { return kKinds[static_cast<size_t>(kind)]; }

absl::Status CheckParameter(PatternKind kind, absl::string_view parameter, int value, bool used) {
  if (!used && value == 0) return absl::OkStatus();
  if (!used) {
    return absl::InvalidArgumentError(absl::StrCat(parameter, " is ", value,
                                                   "; expected none, the pattern ",
                                                   PatternName(kind), " has no ", parameter));
  }
  if (value >= 1 && value <= kMaxPatternSpan) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(parameter, " is ", value == 0 ? "missing" : absl::StrCat(value),
                   "; expected an integer from 1 to ", kMaxPatternSpan));
}

void AppendRange(int begin, int end, std::vector<int>& keys) {
  for (int key = begin; key < end; ++key) keys.push_back(key);
}

}  // namespace

absl::string_view PatternName(PatternKind kind) { return RowOf(kind).name; }

absl::StatusOr<PatternKind> PatternKindFromName(absl::string_view name) {
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i].name == name) return static_cast<PatternKind>(i);
  }
  const auto append_name = [](std::string* out, const KindRow& row) {
    absl::StrAppend(out, row.name);
  };
  return absl::InvalidArgumentError(absl::StrCat("pattern is ", Quoted(name), "; expected one of ",
                                                 absl::StrJoin(kKinds, ", ", append_name)));
}

absl::StatusOr<AttentionPattern> AttentionPattern::Create(const Spec& spec) {
  const KindRow& row = RowOf(spec.kind);
  RETURN_IF_ERROR(CheckParameter(spec.kind, "window", spec.window, row.window));
  RETURN_IF_ERROR(CheckParameter(spec.kind, "stride", spec.stride, row.stride));
  RETURN_IF_ERROR(CheckParameter(spec.kind, "cells", spec.cells, row.cells));
  RETURN_IF_ERROR(CheckParameter(spec.kind, "spread", spec.spread, row.cells));
  if (row.cells && int64_t{spec.cells} * spec.spread > spec.stride) {
    return absl::InvalidArgumentError(
        absl::StrCat("cells is ", spec.cells, " with spread ", spec.spread,
                     "; expected cells * spread <= ", spec.stride, ", the stride"));
  }
  if (spec.head < 0) {
    return absl::InvalidArgumentError(absl::StrCat("head is ", spec.head, "; expected >= 0"));
  }
  return AttentionPattern(spec);
}

int AttentionPattern::summary_offset() const {
  assert(RowOf(spec_.kind).cells);
  return spec_.stride - spec_.cells * (1 + spec_.head % spec_.spread);
}

bool AttentionPattern::IsSummaryCell(int key) const {
  const int in_block = key % spec_.stride;
  return summary_offset() <= in_block && in_block < summary_offset() + spec_.cells;
}

bool AttentionPattern::Attends(int query, int key) const {
  assert(0 <= key && key <= query);
  const int stride = spec_.stride;  // l
  switch (spec_.kind) {
    case PatternKind::kDense:
      return true;
    case PatternKind::kLocal:
      return query - key < spec_.window;
    case PatternKind::kStrided:
      return (query - key) % stride == 0;
    case PatternKind::kLocalStrided:
      return query - key < stride || (query - key) % stride == 0;
    case PatternKind::kBlock:
      return key / stride == query / stride;
    case PatternKind::kSummary:
      return IsSummaryCell(key);
    case PatternKind::kFixed:
      return key / stride == query / stride || IsSummaryCell(key);
    case PatternKind::kPreviousBlock:
      return key / stride == query / stride - 1;
  }
  return false;
}

std::vector<int> AttentionPattern::KeysOf(int query) const {
  assert(query >= 0);
  const int stride = std::max(spec_.stride, 1);  // l; dense and local have none
  const int block = query / stride * stride;     // first position of the query's block
  const auto append_cells = [&](int begin, int end, std::vector<int>& keys) {
    for (int cells = begin + summary_offset(); cells < end; cells += stride) {
      AppendRange(cells, std::min(cells + spec_.cells, end), keys);
    }
  };
  std::vector<int> keys;
  switch (spec_.kind) {
    case PatternKind::kDense:
      AppendRange(0, query + 1, keys);
      break;
    case PatternKind::kLocal:
      AppendRange(std::max(0, query - spec_.window + 1), query + 1, keys);
      break;
    case PatternKind::kStrided:
      for (int key = query % stride; key <= query; key += stride) keys.push_back(key);
      break;
    case PatternKind::kLocalStrided:
      for (int key = query % stride; key <= query - stride; key += stride) keys.push_back(key);
      AppendRange(std::max(0, query - stride + 1), query + 1, keys);
      break;
    case PatternKind::kBlock:
      AppendRange(block, query + 1, keys);
      break;
    case PatternKind::kSummary:
      append_cells(0, query + 1, keys);
      break;
    case PatternKind::kFixed:
      append_cells(0, block, keys);
      AppendRange(block, query + 1, keys);
      break;
    case PatternKind::kPreviousBlock:
      AppendRange(std::max(0, block - stride), block, keys);
      break;
  }
  return keys;
}

bool AttentionPattern::KeptAfter(int key, int step, int length) const {
  assert(0 <= key && key <= step && step < length);
  if (step == length - 1) return false;
  const int stride = spec_.stride;  // l
  const int next = step + 1;        // the first query that may still read
  // Closed forms of "some query i in [next, length) has Attends(i, key)".
  const auto strided = [&] {
    const int rows = (next - key + stride - 1) / stride;
    return key + int64_t{rows} * stride < length;
  };
  switch (spec_.kind) {
    case PatternKind::kDense:
      return true;
    case PatternKind::kLocal:
      return next - key < spec_.window;
    case PatternKind::kStrided:
      return strided();
    case PatternKind::kLocalStrided:
      return next - key < stride || strided();
    case PatternKind::kBlock:
      return key / stride == next / stride;
    case PatternKind::kSummary:
      return IsSummaryCell(key);
    case PatternKind::kFixed:
      return key / stride == next / stride || IsSummaryCell(key);
    case PatternKind::kPreviousBlock: {
      const int block_after = (key / stride + 1) * stride;
      return std::max(next, block_after) < std::min(length, block_after + stride);
    }
  }
  return false;
}

bool operator==(const AttentionPattern& a, const AttentionPattern& b) {
  if (a.spec_.kind != b.spec_.kind || a.spec_.window != b.spec_.window ||
      a.spec_.stride != b.spec_.stride || a.spec_.cells != b.spec_.cells) {
    return false;
  }
  // Spread and head count only through the cells that they choose.
  return !RowOf(a.spec_.kind).cells || a.summary_offset() == b.summary_offset();
}

}  // namespace strided
