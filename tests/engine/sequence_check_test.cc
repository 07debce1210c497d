#include "engine/sequence_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/testing/config_text.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Context 24, vocabulary 16, two conditions.
ModelConfig Model() {
  return SmallConfig(
      R"({"conditions": [{"name": "class", "values": 3}, {"name": "size", "values": 1}]})");
}

SequenceSpec Fitting() {
  SequenceSpec spec;
  spec.max_length = 24;
  spec.prompt_length = 24;
  spec.top_logprobs = 16;
  spec.condition_values = {2, 0};
  return spec;
}

void ExpectRefusal(void (*change)(SequenceSpec&), const std::string& text) {
  SequenceSpec spec = Fitting();
  change(spec);
  EXPECT_THAT(CheckSequenceSpec(spec, Model()), StatusIs(kInvalid, text));
}

TEST(SequenceCheckTest, TakesTheLargestThatTheModelTakes) {
  EXPECT_OK(CheckSequenceSpec(Fitting(), Model()));
}

TEST(SequenceCheckTest, NamesTheFieldItsValueAndItsRange) {
  ExpectRefusal([](SequenceSpec& s) { s.max_length = 0; }, "max_length is 0; it must be 1 to 24");
  ExpectRefusal([](SequenceSpec& s) { s.max_length = 25; }, "max_length is 25; it must be 1 to 24");
  ExpectRefusal([](SequenceSpec& s) { s.prompt_length = -1; },
                "prompt_length is -1; it must be 0 to 24");
  ExpectRefusal([](SequenceSpec& s) { s.prompt_length = 25; },
                "prompt_length is 25; it must be 0 to 24");
  ExpectRefusal([](SequenceSpec& s) { s.top_logprobs = -1; },
                "top_logprobs is -1; it must be 0 to 16");
  ExpectRefusal([](SequenceSpec& s) { s.top_logprobs = 17; },
                "top_logprobs is 17; it must be 0 to 16");
}

TEST(SequenceCheckTest, ConditionsHaveOneValueEachWithinTheirRange) {
  ExpectRefusal([](SequenceSpec& s) { s.condition_values = {1}; },
                "the number of condition_values is 1; it must be 2 to 2");
  ExpectRefusal(
      [](SequenceSpec& s) {
        s.condition_values = {1, 0, 0};
      },
      "the number of condition_values is 3; it must be 2 to 2");
  ExpectRefusal(
      [](SequenceSpec& s) {
        s.condition_values = {3, 0};
      },
      "condition class is 3; it must be 0 to 2");
  ExpectRefusal(
      [](SequenceSpec& s) {
        s.condition_values = {2, -1};
      },
      "condition size is -1; it must be 0 to 0");
}

TEST(SequenceCheckTest, SamplingParametersAreCheckedToo) {
  SequenceSpec spec = Fitting();
  spec.sampling.top_p = 2;
  EXPECT_THAT(CheckSequenceSpec(spec, Model()), StatusIs(kInvalid, HasSubstr("top_p")));
}

TEST(SequenceCheckTest, AForkMayDifferInItsDrawsOnly) {
  SequenceSpec fork = Fitting();
  fork.seed = 9;
  fork.sample_index = 3;
  fork.sampling.temperature = 0.5;
  fork.top_logprobs = 0;
  EXPECT_OK(CheckFork(fork, Fitting()));
  const auto refuses = [](void (*change)(SequenceSpec&)) {
    SequenceSpec spec = Fitting();
    change(spec);
    EXPECT_THAT(CheckFork(spec, Fitting()),
                StatusIs(kInvalid,
                         "a fork has its parent's max_length, prompt_length and "
                         "condition_values"));
  };
  refuses([](SequenceSpec& s) { s.max_length = 23; });
  refuses([](SequenceSpec& s) { s.prompt_length = 23; });
  refuses([](SequenceSpec& s) { s.condition_values = {1, 0}; });
}

}  // namespace
}  // namespace strided
