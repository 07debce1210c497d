#include "engine/model/weight_format.h"

#include <gtest/gtest.h>

namespace strided {
namespace {

constexpr WeightFormat kFormats[] = {WeightFormat::kFloat32, WeightFormat::kFloat16,
                                     WeightFormat::kBfloat16, WeightFormat::kInt8,
                                     WeightFormat::kFloat8};

TEST(WeightFormatTest, EveryFormatIsFoundByItsName) {
  for (const WeightFormat format : kFormats) {
    EXPECT_EQ(WeightFormatFromName(WeightFormatName(format)), format) << WeightFormatName(format);
  }
}

TEST(WeightFormatTest, NamesAreThoseOfTheSettings) {
  EXPECT_EQ(WeightFormatName(WeightFormat::kFloat32), "float32");
  EXPECT_EQ(WeightFormatName(WeightFormat::kFloat16), "float16");
  EXPECT_EQ(WeightFormatName(WeightFormat::kBfloat16), "bfloat16");
  EXPECT_EQ(WeightFormatName(WeightFormat::kInt8), "int8");
  EXPECT_EQ(WeightFormatName(WeightFormat::kFloat8), "float8");
}

TEST(WeightFormatTest, OtherNamesAreNone) {
  for (const char* name : {"", "float", "Float32", "float32 ", "int4"}) {
    EXPECT_EQ(WeightFormatFromName(name), std::nullopt) << name;
  }
}

TEST(WeightFormatTest, ElementsTakeTheBytesOfTheirType) {
  EXPECT_EQ(WeightBytes(WeightFormat::kFloat32), 4);
  EXPECT_EQ(WeightBytes(WeightFormat::kFloat16), 2);
  EXPECT_EQ(WeightBytes(WeightFormat::kBfloat16), 2);
  EXPECT_EQ(WeightBytes(WeightFormat::kInt8), 1);
  EXPECT_EQ(WeightBytes(WeightFormat::kFloat8), 1);
}

}  // namespace
}  // namespace strided
