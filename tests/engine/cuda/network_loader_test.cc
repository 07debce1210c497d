#include "engine/cuda/network_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/config_text.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda {
namespace {

constexpr int64_t kSharedBytes = int64_t{227} << 10;  // of a block, on a device of 9.0
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(CheckProductInputsTest, TakesWhatFitsTheSharedMemoryOfABlock) {
  EXPECT_OK(
      CheckProductInputs(SmallConfig(R"({"d_ff": 58112})"), WeightFormat::kFloat32, kSharedBytes));
}

TEST(CheckProductInputsTest, RefusesAWiderProductOfFloat32WithTheLimit) {
  EXPECT_THAT(
      CheckProductInputs(SmallConfig(R"({"d_ff": 58113})"), WeightFormat::kFloat32, kSharedBytes),
      StatusIs(kInvalid,
               "d_ff is 58113; with float32 weights this device takes at most 58112: serve "
               "the model in another weight format"));
  EXPECT_THAT(CheckProductInputs(SmallConfig(R"({"d_value": 40})"), WeightFormat::kFloat32, 256),
              StatusIs(kInvalid, ::testing::HasSubstr("n_head * d_value is 80")));
  EXPECT_THAT(CheckProductInputs(SmallConfig(R"({"d_model": 72})"), WeightFormat::kFloat32, 256),
              StatusIs(kInvalid, ::testing::HasSubstr("d_model is 72")));
}

TEST(CheckProductInputsTest, OtherFormatsTakeAnyWidth) {
  for (const WeightFormat format : {WeightFormat::kFloat16, WeightFormat::kBfloat16,
                                    WeightFormat::kInt8, WeightFormat::kFloat8}) {
    EXPECT_OK(CheckProductInputs(SmallConfig(R"({"d_ff": 200000})"), format, kSharedBytes));
  }
}

}  // namespace
}  // namespace strided::cuda
