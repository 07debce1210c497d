#include "engine/model/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/model/finite.h"
#include "tests/testing/safetensors_writer.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Optional;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// `stored` must outlive the result.
Tensor View(const StoredTensor& stored, DType dtype) {
  return {.name = stored.name,
          .dtype = dtype,
          .shape = stored.shape,
          .data = std::as_bytes(std::span(stored.bytes)),
          .scales = {}};
}

std::vector<float> ReadRow(const Tensor& tensor, int64_t row) {
  std::vector<float> values(static_cast<size_t>(tensor.columns()));
  tensor.ReadRow(row, values);
  return values;
}

// All 2^16 patterns of a 16-bit format, as one vector.
StoredTensor AllPatterns() {
  StoredTensor stored{.name = "all", .dtype = "F16", .shape = {1 << 16}, .bytes = {}};
  for (uint32_t bits = 0; bits < 1 << 16; ++bits) {
    stored.bytes.push_back(static_cast<char>(bits & 0xff));
    stored.bytes.push_back(static_cast<char>(bits >> 8));
  }
  return stored;
}

TEST(TensorTest, AVectorIsOneRow) {
  const StoredTensor stored =
      StoreValues("v", DType::kFloat32, {3}, std::vector<float>{1.5f, -2, 3e-45f});
  const Tensor tensor = View(stored, DType::kFloat32);
  EXPECT_EQ(tensor.rows(), 1);
  EXPECT_EQ(tensor.columns(), 3);
  EXPECT_THAT(ReadRow(tensor, 0), ElementsAre(1.5f, -2, 3e-45f));
}

TEST(TensorTest, RowsOfAMatrixLieOneAfterTheOther) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBfloat16}) {
    const StoredTensor stored = StoreValues("m", dtype, {2, 3}, values);
    EXPECT_THAT(ReadRow(View(stored, dtype), 1), ElementsAre(4, 5, 6)) << DTypeName(dtype);
  }
}

TEST(TensorTest, AnUnalignedTensorIsRead) {
  const StoredTensor stored = StoreValues("v", DType::kFloat32, {1}, std::vector<float>{1.25f});
  const std::string shifted = "x" + stored.bytes;
  Tensor tensor = View(stored, DType::kFloat32);
  tensor.data = std::as_bytes(std::span(shifted)).subspan(1);
  EXPECT_THAT(ReadRow(tensor, 0), ElementsAre(1.25f));
}

TEST(TensorTest, EveryFloat16WidensByItsDefinition) {
  const StoredTensor stored = AllPatterns();
  const std::vector<float> values = ReadRow(View(stored, DType::kFloat16), 0);
  for (uint32_t bits = 0; bits < values.size(); ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 0x1f);
    const double mantissa = static_cast<double>(bits & 0x3ff) / 1024;
    double expected =
        exponent == 0 ? std::ldexp(mantissa, -14) : std::ldexp(1 + mantissa, exponent - 15);
    if (exponent == 31) expected = mantissa == 0 ? static_cast<double>(kInfinity) : std::nan("");
    if ((bits & 0x8000) != 0) expected = -expected;
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(values[bits])) << bits;
    } else {
      EXPECT_EQ(values[bits], expected) << bits;
      EXPECT_EQ(std::signbit(values[bits]), (bits & 0x8000) != 0) << bits;
    }
  }
}

TEST(TensorTest, EveryBfloat16IsTheUpperHalfOfAFloat32) {
  const StoredTensor stored = AllPatterns();
  const std::vector<float> values = ReadRow(View(stored, DType::kBfloat16), 0);
  for (uint32_t bits = 0; bits < values.size(); ++bits) {
    EXPECT_EQ(std::bit_cast<uint32_t>(values[bits]), bits << 16) << bits;
  }
}

TEST(TensorTest, AnInt8RowIsMultipliedByItsScale) {
  const std::vector<StoredTensor> stored =
      StoreInt8("m", {2, 3}, std::vector<float>{127, -64, 0, 0.5f, 0.25f, -0.5f});
  Tensor tensor = View(stored[0], DType::kInt8);
  tensor.scales = std::as_bytes(std::span(stored[1].bytes));
  EXPECT_THAT(ReadRow(tensor, 0), ElementsAre(127, -64, 0));
  const float scale = 0.5f / 127;
  EXPECT_THAT(ReadRow(tensor, 1), ElementsAre(scale * 127, scale * 64, scale * -127));
}

TEST(TensorTest, DTypesHaveTheNamesOfSafetensors) {
  EXPECT_EQ(DTypeName(DType::kFloat32), "F32");
  EXPECT_EQ(DTypeName(DType::kFloat16), "F16");
  EXPECT_EQ(DTypeName(DType::kBfloat16), "BF16");
  EXPECT_EQ(DTypeName(DType::kInt8), "I8");
  EXPECT_EQ(DTypeSize(DType::kFloat32), 4);
  EXPECT_EQ(DTypeSize(DType::kFloat16), 2);
  EXPECT_EQ(DTypeSize(DType::kBfloat16), 2);
  EXPECT_EQ(DTypeSize(DType::kInt8), 1);
}

TEST(FiniteTest, TheFirstNonFiniteElementIsFoundWhereverItIs) {
  // Beside the blocks in which the search runs, and within them.
  for (const int64_t size : {1, 7, 4095, 4096, 4097, 10000}) {
    for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBfloat16}) {
      for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
        std::vector<float> values(static_cast<size_t>(size), -1.0f);
        EXPECT_EQ(FirstNonFinite(View(StoreValues("v", dtype, {size}, values), dtype)),
                  std::nullopt);
        for (const int64_t index : {int64_t{0}, size / 2, size - 1}) {
          std::vector<float> with_bad = values;
          with_bad.back() = bad;
          with_bad[static_cast<size_t>(index)] = bad;
          const StoredTensor stored = StoreValues("v", dtype, {size}, with_bad);
          EXPECT_THAT(FirstNonFinite(View(stored, dtype)), Optional(Eq(index)))
              << DTypeName(dtype) << " of " << size;
        }
      }
    }
  }
}

TEST(FiniteTest, TheLargestFiniteValuesPass) {
  const std::vector<float> values = {std::numeric_limits<float>::max(), -65504.0f,
                                     std::numeric_limits<float>::denorm_min(), -0.0f};
  EXPECT_EQ(FirstNonFinite(View(StoreValues("v", DType::kFloat32, {4}, values), DType::kFloat32)),
            std::nullopt);
  const std::vector<float> halves = {65504.0f, -65504.0f, 6e-8f, -0.0f};
  EXPECT_EQ(FirstNonFinite(View(StoreValues("v", DType::kFloat16, {4}, halves), DType::kFloat16)),
            std::nullopt);
}

TEST(FiniteTest, Int8HasNoOtherValues) {
  const StoredTensor stored{
      .name = "m", .dtype = "I8", .shape = {1, 4}, .bytes = "\xff\x80\x7f\x7f"};
  EXPECT_EQ(FirstNonFinite(View(stored, DType::kInt8)), std::nullopt);
}

}  // namespace
}  // namespace strided
