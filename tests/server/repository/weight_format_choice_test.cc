#include "server/repository/weight_format_choice.h"

#include <gtest/gtest.h>

#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"

namespace strided {
namespace {

StoredFormats Stored(DType dtype) {
  const RandomModel model = MakeRandomModel(SmallConfig(), 1, dtype);
  return FormatsOf(model.config, model.weights);
}

TEST(ChooseWeightFormatTest, AProcessorKeepsWhatIsStored) {
  for (const bool bfloat16_dot : {false, true}) {
    EXPECT_EQ(FormatOnCpu(Stored(DType::kFloat32), bfloat16_dot), WeightFormat::kFloat32);
    EXPECT_EQ(FormatOnCpu(Stored(DType::kBfloat16), bfloat16_dot), WeightFormat::kBfloat16);
    EXPECT_EQ(FormatOnCpu(Stored(DType::kInt8), bfloat16_dot), WeightFormat::kInt8);
  }
}

TEST(ChooseWeightFormatTest, AProcessorRoundsFloat16OnlyWhereThatIsFaster) {
  EXPECT_EQ(FormatOnCpu(Stored(DType::kFloat16), /*bfloat16_dot=*/true), WeightFormat::kBfloat16);
  EXPECT_EQ(FormatOnCpu(Stored(DType::kFloat16), /*bfloat16_dot=*/false), WeightFormat::kFloat32);
}

TEST(ChooseWeightFormatTest, AGpuKeepsMatricesInSixteenBitsOrLess) {
  EXPECT_EQ(FormatOnCuda(Stored(DType::kFloat32)), WeightFormat::kBfloat16);
  EXPECT_EQ(FormatOnCuda(Stored(DType::kBfloat16)), WeightFormat::kBfloat16);
  EXPECT_EQ(FormatOnCuda(Stored(DType::kFloat16)), WeightFormat::kFloat16);
  EXPECT_EQ(FormatOnCuda(Stored(DType::kInt8)), WeightFormat::kInt8);
}

TEST(ChooseWeightFormatTest, ANamedFormatWins) {
  for (const DeviceKind device : {DeviceKind::kCpu, DeviceKind::kCuda}) {
    EXPECT_EQ(ChooseWeightFormat("float32", Stored(DType::kInt8), device, true),
              WeightFormat::kFloat32);
    EXPECT_EQ(ChooseWeightFormat("float8", Stored(DType::kFloat32), device, true),
              WeightFormat::kFloat8);
  }
  EXPECT_EQ(ChooseWeightFormat("auto", Stored(DType::kFloat32), DeviceKind::kCpu, true),
            WeightFormat::kFloat32);
  EXPECT_EQ(ChooseWeightFormat("auto", Stored(DType::kFloat32), DeviceKind::kCuda, true),
            WeightFormat::kBfloat16);
}

}  // namespace
}  // namespace strided
