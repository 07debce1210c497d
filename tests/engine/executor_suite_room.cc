// What executors take and refuse: memory, slots, specs, options.

#include <cstdint>
#include <thread>

#include "absl/strings/str_cat.h"
#include "engine/cache/cache_bytes.h"
#include "tests/engine/executor_suite.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

SuiteOptions WithCapacity(int64_t bytes) {
  SuiteOptions options;
  options.cache_capacity_bytes = bytes;
  return options;
}

TEST_P(ExecutorSuite, TheCacheOfASlotIsCountedExactlyAndGivenBack) {
  const RandomModel model = SmallModel();
  for (const WeightFormat format : GetParam().formats) {
    const auto executor = Start(model, {.weight_format = format});
    const int element_bytes = format == WeightFormat::kFloat32 ? 4 : 2;
    const int64_t expected = SequenceCacheBytes(model.config, 17, element_bytes);
    EXPECT_EQ(executor->CacheBytes(17), expected);
    {
      ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(17)));
      ASSERT_OK_AND_ASSIGN(const Slot other, executor->StartSequence(SpecOf(24)));
      EXPECT_EQ(executor->cache_usage().used_bytes, expected + executor->CacheBytes(24));
      EXPECT_EQ(executor->cache_usage().slots_in_use, 2);
    }
    EXPECT_EQ(executor->cache_usage().used_bytes, 0);
    EXPECT_EQ(executor->cache_usage().slots_in_use, 0);
  }
}

TEST_P(ExecutorSuite, RefusesWhatDoesNotFitNowWithTheNumbers) {
  const RandomModel model = LongModel();
  const auto executor = Start(model, WithCapacity(int64_t{640} * 128));
  ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(SpecOf(640)));
  EXPECT_THAT(
      executor->StartSequence(SpecOf(2)),
      StatusIs(kExhausted, "the sequence takes 256 cache bytes; of 81920, 81920 are in use"));
  EXPECT_THAT(executor->ForkSequence(slot, SpecOf(640)), StatusIs(kExhausted));
  EXPECT_EQ(executor->cache_usage().slots_in_use, 1) << "a refused sequence takes nothing";
}

TEST_P(ExecutorSuite, RefusesForGoodWhatCanNeverFit) {
  const RandomModel model = LongModel();
  const auto executor = Start(model, WithCapacity(1024));
  EXPECT_THAT(
      executor->StartSequence(SpecOf(10)),
      StatusIs(kInvalid, "the sequence takes 1280 cache bytes; the device has 1024 in all"));
}

// Or a request that nothing stands in the way of would wait forever.
TEST_P(ExecutorSuite, ASequenceThatTakesTheWholeCapacityFits) {
  const RandomModel model = LongModel();
  const auto executor = Start(model, WithCapacity(int64_t{9} * 128));
  EXPECT_OK(executor->StartSequence(SpecOf(9)));
}

TEST_P(ExecutorSuite, SlotsAreBoundedAndUsedAgain) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model, {.max_slots = 2});
  ASSERT_OK_AND_ASSIGN(const Slot first, executor->StartSequence(SpecOf(4)));
  EXPECT_EQ(first.index(), 0);
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const Slot second, executor->StartSequence(SpecOf(4)));
    EXPECT_EQ(second.index(), 1);
    EXPECT_THAT(executor->StartSequence(SpecOf(4)), StatusIs(kExhausted, "all 2 slots are in use"));
  }
}

TEST_P(ExecutorSuite, ASlotThatIsUsedAgainRemembersNothing) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  SequenceSpec spec = SpecOf(24);
  spec.sampling.frequency_penalty = 2;
  std::vector<Draw> first;
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const Slot slot, executor->StartSequence(spec));
    const std::vector<Draw> draws = Sample(*executor, slot, 0, kStartInput, 24);
    if (i == 0) first = draws;
    EXPECT_EQ(draws, first);
  }
}

TEST_P(ExecutorSuite, RefusesSpecsThatDoNotFitTheModel) {
  const RandomModel model = SmallModel(R"({"conditions": [{"name": "class", "values": 3}]})");
  const auto executor = Start(model);
  const auto refuses = [&](auto change, const std::string& text) {
    SequenceSpec spec = SpecOf(24);
    spec.condition_values = {0};
    change(spec);
    EXPECT_THAT(executor->StartSequence(spec), StatusIs(kInvalid, HasSubstr(text)));
  };
  refuses([](SequenceSpec& s) { s.max_length = 0; }, "max_length is 0; it must be 1 to 24");
  refuses([](SequenceSpec& s) { s.max_length = 25; }, "max_length is 25");
  refuses([](SequenceSpec& s) { s.prompt_length = -1; }, "prompt_length is -1");
  refuses([](SequenceSpec& s) { s.top_logprobs = 17; }, "top_logprobs is 17; it must be 0 to 16");
  refuses([](SequenceSpec& s) { s.condition_values.clear(); }, "number of condition_values is 0");
  refuses([](SequenceSpec& s) { s.condition_values = {3}; }, "condition class is 3");
  refuses([](SequenceSpec& s) { s.sampling.top_p = 2; }, "top_p");
  EXPECT_EQ(executor->cache_usage().slots_in_use, 0);
}

TEST_P(ExecutorSuite, RefusesOptionsBelowTheirRange) {
  const RandomModel model = SmallModel();
  const auto refuses = [&](auto change, const std::string& text) {
    SuiteOptions options;
    change(options);
    EXPECT_THAT(GetParam().create(model.config, model.weights, options), StatusIs(kInvalid, text));
  };
  refuses([](SuiteOptions& o) { o.max_rows = 0; }, "max_rows is 0; it must be at least 1");
  refuses([](SuiteOptions& o) { o.max_slots = 0; }, "max_slots is 0; it must be at least 1");
}

TEST_P(ExecutorSuite, UsageMayBeReadWhileSlotsComeAndGo) {
  const RandomModel model = SmallModel();
  const auto executor = Start(model);
  std::thread reader([&] {
    for (int i = 0; i < 1000; ++i) {
      const CacheUsage usage = executor->cache_usage();
      EXPECT_EQ(usage.used_bytes, usage.slots_in_use * executor->CacheBytes(24));
    }
  });
  for (int i = 0; i < 200; ++i) EXPECT_OK(executor->StartSequence(SpecOf(24)));
  reader.join();
}

}  // namespace
}  // namespace strided
