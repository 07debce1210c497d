// Patterns of every kind, with spans that divide nothing evenly.

#ifndef STRIDED_TESTS_ENGINE_CUDA_SOME_PATTERNS_H_
#define STRIDED_TESTS_ENGINE_CUDA_SOME_PATTERNS_H_

#include <vector>

#include "engine/model/attention_pattern.h"

namespace strided::cuda {

inline AttentionPattern PatternOf(const AttentionPattern::Spec& spec) {
  return *AttentionPattern::Create(spec);
}

// A head of several kinds, as per-head lists allow.
inline std::vector<AttentionPattern> MixedHeads() {
  return {
      PatternOf({.kind = PatternKind::kStrided, .stride = 12}),
      PatternOf({.kind = PatternKind::kLocal, .window = 40}),
      PatternOf({.kind = PatternKind::kLocalStrided, .stride = 12}),
      PatternOf({.kind = PatternKind::kFixed, .stride = 12, .cells = 3, .spread = 4, .head = 3}),
      PatternOf({.kind = PatternKind::kDense})};
}

// Each kind with each of `spans` as its window or stride; summary cells at each place of a block.
inline std::vector<AttentionPattern> PatternsOfEveryKind(const std::vector<int>& spans) {
  std::vector<AttentionPattern::Spec> specs = {{.kind = PatternKind::kDense}};
  for (const int span : spans) {
    specs.push_back({.kind = PatternKind::kLocal, .window = span});
    for (const PatternKind kind : {PatternKind::kStrided, PatternKind::kLocalStrided,
                                   PatternKind::kBlock, PatternKind::kPreviousBlock}) {
      specs.push_back({.kind = kind, .stride = span});
    }
    for (const PatternKind kind : {PatternKind::kSummary, PatternKind::kFixed}) {
      specs.push_back({.kind = kind, .stride = span, .cells = span, .spread = 1});
      if (span < 6) continue;
      specs.push_back({.kind = kind, .stride = span, .cells = 2, .spread = 3, .head = 0});
      specs.push_back({.kind = kind, .stride = span, .cells = 2, .spread = 3, .head = 2});
    }
  }
  std::vector<AttentionPattern> patterns;
  for (const auto& spec : specs) patterns.push_back(PatternOf(spec));
  return patterns;
}

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_SOME_PATTERNS_H_
