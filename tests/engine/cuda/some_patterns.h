// Patterns of every kind, with spans that divide nothing evenly.

#ifndef STRIDED_TESTS_ENGINE_CUDA_SOME_PATTERNS_H_
#define STRIDED_TESTS_ENGINE_CUDA_SOME_PATTERNS_H_

#include <vector>

#include "engine/model/attention_pattern.h"

namespace strided::cuda {

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
  for (const auto& spec : specs) patterns.push_back(*AttentionPattern::Create(spec));
  return patterns;
}

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_SOME_PATTERNS_H_
