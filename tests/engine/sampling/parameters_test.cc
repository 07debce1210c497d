#include "engine/sampling/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "engine/base/error_detail.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

constexpr int kVocab = 256;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Change = std::function<void(SamplingParameters&)>;

SamplingParameters With(const Change& change) {
  SamplingParameters parameters;
  change(parameters);
  return parameters;
}

struct Refusal {
  Change change;
  std::string field;
  std::string text;
};

TEST(ParametersTest, EachBadValueIsRefusedWithFieldValueAndLimits) {
  const Refusal refusals[] = {
      {[](auto& p) { p.temperature = -0.5; }, "temperature", "is -0.5; it must lie in [0, 100]"},
      {[](auto& p) { p.temperature = 100.5; }, "temperature", "is 100.5; it must lie in [0, 100]"},
      {[](auto& p) { p.temperature = kNan; }, "temperature", "is nan; it must lie in [0, 100]"},
      {[](auto& p) { p.top_k = -1; }, "top_k", "is -1; it must lie in [0, 256]"},
      {[](auto& p) { p.top_k = 257; }, "top_k", "is 257; it must lie in [0, 256]"},
      {[](auto& p) { p.top_p = 0; }, "top_p", "is 0; it must lie in (0, 1]"},
      {[](auto& p) { p.top_p = 1.5; }, "top_p", "is 1.5; it must lie in (0, 1]"},
      {[](auto& p) { p.top_p = 1.0000001F; }, "top_p", "is 1.0000001; it must lie in (0, 1]"},
      {[](auto& p) { p.top_p = -0.1F; }, "top_p", "is -0.1; it must lie in (0, 1]"},
      {[](auto& p) { p.top_p = kNan; }, "top_p", "is nan"},
      {[](auto& p) { p.min_p = 1; }, "min_p", "is 1; it must lie in [0, 1)"},
      {[](auto& p) { p.min_p = -1; }, "min_p", "is -1; it must lie in [0, 1)"},
      {[](auto& p) { p.typical_p = 0; }, "typical_p", "is 0; it must lie in (0, 1]"},
      {[](auto& p) { p.typical_p = kInfinity; }, "typical_p", "is inf"},
      {[](auto& p) { p.repetition_penalty = 0; }, "repetition_penalty", "is 0; it must lie in (0"},
      {[](auto& p) { p.repetition_penalty = 11; }, "repetition_penalty",
       "is 11; it must lie in (0"},
      {[](auto& p) { p.presence_penalty = 2.5; }, "presence_penalty", "is 2.5; it must lie in [-2"},
      {[](auto& p) { p.frequency_penalty = -3; }, "frequency_penalty", "is -3; it must lie in [-2"},
      {[](auto& p) { p.logit_bias[256] = 1; }, "logit_bias", "names id 256; ids of this model"},
      {[](auto& p) { p.logit_bias[-1] = 1; }, "logit_bias", "names id -1; ids of this model"},
      {[](auto& p) { p.logit_bias[7] = std::numeric_limits<float>::infinity(); }, "logit_bias[7]",
       "is inf; it must be finite"},
      {[](auto& p) {
         p.allowed_ids = {1, 300};
       },
       "allowed_ids", "names id 300; ids of this model"},
      {[](auto& p) {
         p.allowed_ids = {5, 3};
       },
       "allowed_ids", "holds 3 after 5"},
      {[](auto& p) {
         p.allowed_ids = {5, 5};
       },
       "allowed_ids", "holds 5 after 5"},
  };
  for (const Refusal& refusal : refusals) {
    const absl::Status status = ValidateSampling(With(refusal.change), kVocab);
    const std::string field = "sampling." + refusal.field;
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 ::testing::HasSubstr(field + " " + refusal.text)));
    EXPECT_EQ(FieldOf(status), field);
  }
}

TEST(ParametersTest, EveryLimitItselfIsAccepted) {
  const Change changes[] = {
      [](auto&) {},
      [](auto& p) { p.temperature = 0; },
      [](auto& p) { p.temperature = 100; },
      [](auto& p) { p.top_k = kVocab; },
      [](auto& p) { p.top_p = std::numeric_limits<double>::denorm_min(); },
      [](auto& p) { p.min_p = 0.999999; },
      [](auto& p) { p.typical_p = 1e-9; },
      [](auto& p) { p.repetition_penalty = 10; },
      [](auto& p) { p.presence_penalty = -2; },
      [](auto& p) { p.frequency_penalty = 2; },
      [](auto& p) {
        p.logit_bias = {{0, -1e30F}, {255, 1e30F}};
      },
      [](auto& p) {
        p.allowed_ids = {0, 1, 255};
      },
  };
  for (const Change& change : changes) EXPECT_OK(ValidateSampling(With(change), kVocab));
}

}  // namespace
}  // namespace strided
