// Prefill attention against a plain computation in double, and against itself in other cuts.

#include "engine/cuda/kernels/prefill_attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/cuda/attention_case.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/some_patterns.h"

namespace strided::cuda {
namespace {

constexpr Operand kOperands[] = {Operand::kFloat32, Operand::kFloat16, Operand::kBfloat16};

// Of averages of values around 1: roundings of weights, values and results.
double LimitOf(Operand operand) {
  if (operand == Operand::kFloat32) return 1e-5;
  return operand == Operand::kFloat16 ? 3e-3 : 2e-2;
}

void ExpectAsInDouble(const AttentionShape& shape) {
  const AttentionCase one(shape, 1);
  ExpectNear(RunInCalls(one, {shape.length}).mixed, one.Expected(), LimitOf(shape.operand));
}

using PrefillAttentionTest = CudaTest;

TEST_F(PrefillAttentionTest, EveryPatternGivesTheResultsOfADouble) {
  for (const AttentionPattern& pattern : PatternsOfEveryKind({1, 7, 64, 100, 500})) {
    for (const Operand operand : kOperands) {
      SCOPED_TRACE(absl::StrCat(PatternName(pattern.kind()), " w ", pattern.spec().window, " l ",
                                pattern.spec().stride, " operand ", static_cast<int>(operand)));
      ExpectAsInDouble({{pattern}, 32, 32, 301, 333, operand});
    }
  }
}

TEST_F(PrefillAttentionTest, HeadsMayBeOfAnyWidth) {
  struct Widths {
    int d_key;
    int d_value;
  };
  for (const Widths& widths : {Widths{16, 16}, Widths{64, 64}, Widths{64, 128}, Widths{128, 64},
                               Widths{24, 40}, Widths{7, 5}, Widths{96, 96}, Widths{256, 256},
                               Widths{16, 256}, Widths{300, 20}, Widths{20, 300}}) {
    for (const Operand operand : kOperands) {
      SCOPED_TRACE(absl::StrCat(widths.d_key, " and ", widths.d_value, ", operand ",
                                static_cast<int>(operand)));
      ExpectAsInDouble({MixedHeads(), widths.d_key, widths.d_value, 150, 150, operand});
    }
  }
}

TEST_F(PrefillAttentionTest, Int8CachesHoldTheNearestElementsInAnyCut) {
  for (const Operand operand : {Operand::kFloat16, Operand::kBfloat16}) {
    for (const AttentionPattern& pattern : PatternsOfEveryKind({3, 16, 100})) {
      const AttentionCase one({{pattern}, 32, 24, 118, 118, operand, /*int8_caches=*/true}, 1);
      const AttentionCase::Result whole = RunInCalls(one, {118});
      SCOPED_TRACE(absl::StrCat(PatternName(pattern.kind()), " w ", pattern.spec().window, " l ",
                                pattern.spec().stride, ", operand ", static_cast<int>(operand)));
      ExpectNear(whole.mixed, one.Expected(), LimitOf(operand));
      EXPECT_TRUE(whole.cache == one.CacheAfter(117));
      for (const std::vector<int>& sizes : {std::vector<int>{1}, {15}, {16}, {1, 70, 3, 40}}) {
        const AttentionCase::Result cut = RunInCalls(one, sizes);
        EXPECT_TRUE(cut.mixed == whole.mixed) << "calls of " << sizes.front();
        EXPECT_TRUE(cut.cache == whole.cache) << "calls of " << sizes.front();
      }
    }
  }
}

TEST_F(PrefillAttentionTest, AFirstBlockWithoutKeysGivesZeros) {
  const std::vector<AttentionPattern> heads = {
      PatternOf({.kind = PatternKind::kPreviousBlock, .stride = 50}),
      PatternOf({.kind = PatternKind::kSummary, .stride = 50, .cells = 2, .spread = 1})};
  const AttentionCase one({heads, 32, 32, 48, 100, Operand::kBfloat16}, 1);
  EXPECT_THAT(RunInCalls(one, {48}).mixed, ::testing::Each(0.0F));
}

TEST_F(PrefillAttentionTest, NeitherResultsNorCachesDependOnTheCut) {
  for (const Operand operand : kOperands) {
    for (const AttentionPattern& pattern : PatternsOfEveryKind({3, 16, 100})) {
      const AttentionCase one({{pattern}, 32, 32, 118, 118, operand}, 1);
      const AttentionCase::Result whole = RunInCalls(one, {118});
      for (const std::vector<int>& sizes :
           {std::vector<int>{1}, {15}, {16}, {17}, {99}, {101}, {1, 70, 3, 40}}) {
        const AttentionCase::Result cut = RunInCalls(one, sizes);
        SCOPED_TRACE(absl::StrCat(PatternName(pattern.kind()), " w ", pattern.spec().window, " l ",
                                  pattern.spec().stride, ", calls of ", sizes.front(), ", operand ",
                                  static_cast<int>(operand)));
        EXPECT_TRUE(cut.mixed == whole.mixed);
        EXPECT_TRUE(cut.cache == whole.cache);
      }
    }
  }
}

TEST_F(PrefillAttentionTest, HeadsOfALayerDoNotDependOnTheCut) {
  const AttentionCase one({MixedHeads(), 64, 128, 200, 211, Operand::kBfloat16}, 1);
  const AttentionCase::Result whole = RunInCalls(one, {200});
  for (const std::vector<int>& sizes : {std::vector<int>{11}, {12}, {13}, {64, 1, 129}}) {
    const AttentionCase::Result cut = RunInCalls(one, sizes);
    EXPECT_TRUE(cut.mixed == whole.mixed) << "calls of " << sizes.front();
    EXPECT_TRUE(cut.cache == whole.cache) << "calls of " << sizes.front();
  }
}

// Windows and columns of more keys than a block has room for, and of fewer.
TEST_F(PrefillAttentionTest, ALayerOfOnePatternGivesTheSameInAnyCutAndCompany) {
  constexpr int kLength = 700;
  for (const auto& [d_key, d_value] : {std::pair(32, 32), {64, 64}, {64, 128}}) {
    for (const AttentionPattern& pattern :
         {PatternOf({.kind = PatternKind::kLocal, .window = 400}),
          PatternOf({.kind = PatternKind::kLocal, .window = 64}),
          PatternOf({.kind = PatternKind::kStrided, .stride = 2}),
          PatternOf({.kind = PatternKind::kStrided, .stride = 7})}) {
      SCOPED_TRACE(absl::StrCat(PatternName(pattern.kind()), " w ", pattern.spec().window, " l ",
                                pattern.spec().stride, ", ", d_key, " and ", d_value));
      const AttentionShape shape = {{pattern, pattern}, d_key, d_value, kLength, kLength,
                                    Operand::kBfloat16};
      const AttentionCase one(shape, 1);
      const AttentionCase other(shape, 2);
      const std::vector<float> whole = RunInCalls(one, {kLength}).mixed;
      ExpectNear(whole, one.Expected(), LimitOf(shape.operand));
      EXPECT_TRUE(RunInCalls(one, {1, 300, 64, 335}).mixed == whole);
      const AttentionCase third(shape, 3);
      AttentionRunner runner({&other, &one, &third});
      runner.Run({{&other, 0, 33}});
      const auto mixed = runner.Run({{&other, 33, 70}, {&one, 0, kLength}, {&third, 0, 50}});
      const auto begin = mixed.begin() + std::ptrdiff_t{70} * one.mixed_width();
      EXPECT_TRUE(std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(whole.size())) ==
                  whole);
    }
  }
}

TEST_F(PrefillAttentionTest, ASequenceDoesNotSeeTheOthersOfACall) {
  const AttentionShape shape = {MixedHeads(), 32, 32, 120, 128, Operand::kBfloat16};
  const AttentionCase one(shape, 1);
  const AttentionCase other(shape, 2);
  const std::vector<float> alone = RunInCalls(one, {120}).mixed;
  AttentionRunner runner({&other, &one});
  runner.Run({{&other, 0, 33}});
  std::vector<float> mixed = runner.Run({{&other, 33, 70}, {&one, 0, 120}});
  mixed.erase(mixed.begin(), mixed.end() - static_cast<std::ptrdiff_t>(alone.size()));
  EXPECT_TRUE(mixed == alone);
}

}  // namespace
}  // namespace strided::cuda
