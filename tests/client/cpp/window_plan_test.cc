#include "client/cpp/window_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;

v1::GenerateRequest RequestWithPrompt(const std::string& prompt) {
  v1::GenerateRequest request;
  request.mutable_prompt()->set_raw(prompt);
  return request;
}

TEST(WindowPlanTest, TheHopIsHalfTheContextUnlessItIsGiven) {
  const v1::Model model = TextModel("text", 9);
  ASSERT_OK_AND_ASSIGN(const WindowPlan half, PlanWindows(model, {}, {.length = 100}));
  EXPECT_EQ(half.hop, 4U);
  EXPECT_EQ(half.kept(), 5U);
  ASSERT_OK_AND_ASSIGN(const WindowPlan given, PlanWindows(model, {}, {.length = 100, .hop = 8}));
  EXPECT_EQ(given.kept(), 1U);
}

TEST(WindowPlanTest, TheFirstWindowReadsThePromptOrItsLastPart) {
  const WindowPlan plan = {.context = 10, .hop = 4, .length = 100};
  EXPECT_EQ(plan.FirstPrompt(0), 0U);
  EXPECT_EQ(plan.FirstPrompt(9), 9U);
  EXPECT_EQ(plan.FirstPrompt(10), 6U);
  EXPECT_EQ(plan.FirstPrompt(1000), 6U);
}

TEST(WindowPlanTest, AHopOutOfItsRangeIsRefusedWithTheRange) {
  for (const uint64_t hop : {0U, 8U, 9U}) {
    EXPECT_THAT(PlanWindows(TextModel("text", 8), {}, {.length = 100, .hop = hop}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("it must lie in [1, 7]")));
  }
}

TEST(WindowPlanTest, ALengthMustFitWhereItIsEchoed) {
  for (const uint64_t length : {uint64_t{0}, uint64_t{1} << 32}) {
    EXPECT_THAT(
        PlanWindows(TextModel("text", 8), {}, {.length = length}),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must lie in [1, 4294967295]")));
  }
}

TEST(WindowPlanTest, AnImageIsRefused) {
  EXPECT_THAT(PlanWindows(ImageModel(2, 2, 1), {}, {.length = 100}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("an image ends with its last pixel: the model 'image' cannot")));
}

TEST(WindowPlanTest, StopsOfSeveralTokensAreForOneWindowOnly) {
  v1::GenerateRequest request = RequestWithPrompt("abc");
  request.mutable_sampling()->add_stop_sequences("x");
  EXPECT_OK(PlanWindows(TextModel("text", 8), request, {.length = 100}));
  request.mutable_sampling()->add_stop_sequences("end");
  EXPECT_OK(PlanWindows(TextModel("text", 8), request, {.length = 5}));
  EXPECT_THAT(
      PlanWindows(TextModel("text", 8), request, {.length = 6}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a stop sequence has 3 bytes")));
}

TEST(WindowPlanTest, WhatSaysALengthOfItsOwnIsRefused) {
  v1::GenerateRequest request;
  request.mutable_sampling()->set_max_new_tokens(3);
  EXPECT_FALSE(PlanWindows(TextModel("text", 8), request, {.length = 100}).ok());
  v1::GenerateRequest resume;
  resume.mutable_resume();
  EXPECT_FALSE(PlanWindows(TextModel("text", 8), resume, {.length = 100}).ok());
}

TEST(WindowPlanTest, EveryWindowHasASeedOfItsOwnAndTheFirstHasTheCallers) {
  EXPECT_EQ(WindowSeed(7, 0), 7U);
  std::set<uint64_t> seeds;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    for (uint64_t window = 0; window < 100; ++window) seeds.insert(WindowSeed(seed, window));
  }
  EXPECT_EQ(seeds.size(), 10'000U);
  // As published for SplitMix64 with the seed 0: other clients must get the same tokens.
  EXPECT_EQ(WindowSeed(0, 1), 0xe220a8397b1dcdafU);
  EXPECT_EQ(WindowSeed(0, 2), 0x6e789e6aa1b965f4U);
}

}  // namespace
}  // namespace strided::client
