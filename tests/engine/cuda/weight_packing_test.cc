#include "engine/cuda/kernels/weight_packing.h"

#include <cuda_bf16.h>
#include <cuda_fp8.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <vector>

namespace strided::cuda {
namespace {

// A matrix whose element (r, c) is r + c / 64, exact in every 16-bit format for few rows.
struct Matrix {
  Matrix(int rows, int columns) {
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < columns; ++c) {
        values.push_back(static_cast<float>(r) + static_cast<float>(c) / 64);
      }
    }
    tensor.dtype = DType::kFloat32;
    tensor.shape = {rows, columns};
    tensor.data = std::as_bytes(std::span<const float>(values));
    for (int r = 0; r < rows; ++r) source.push_back({&tensor, r});
  }
  std::vector<float> values;
  Tensor tensor;
  std::vector<SourceRow> source;
};

float Bfloat16At(const PackedWeights& packed, size_t element) {
  __nv_bfloat16 value;
  std::memcpy(&value, packed.bytes.data() + element * sizeof value, sizeof value);
  return static_cast<float>(value);
}

TEST(WeightPackingTest, ALanesElementsAreThoseOfItsFragment) {
  const Matrix matrix(5, 32);
  const PackedWeights packed = PackRows(matrix.source, 32, WeightFormat::kBfloat16);
  // Tile 0, step 1, lane 4 * 2 + 3: row 2, columns 16 + 6, 16 + 7, then 16 + 14, 16 + 15.
  const size_t lane = (size_t{32} + 11) * 8;
  EXPECT_EQ(Bfloat16At(packed, lane + 0), 2 + 22.0F / 64);
  EXPECT_EQ(Bfloat16At(packed, lane + 1), 2 + 23.0F / 64);
  EXPECT_EQ(Bfloat16At(packed, lane + 4), 2 + 30.0F / 64);
  EXPECT_EQ(Bfloat16At(packed, lane + 5), 2 + 31.0F / 64);
  // Row 10 does not exist: zeros.
  EXPECT_EQ(Bfloat16At(packed, lane + 2), 0);
}

TEST(WeightPackingTest, PaddingMakesWholeTilesAndSteps) {
  EXPECT_EQ(PackedBytes(1, 1, WeightFormat::kBfloat16), 16 * 64 * 2);
  EXPECT_EQ(PackedBytes(17, 65, WeightFormat::kInt8), 32 * 128);
  EXPECT_EQ(PackedBytes(16, 64, WeightFormat::kFloat32), 16 * 64 * 4);
}

TEST(WeightPackingTest, StoredInt8IsTakenOverWithItsScales) {
  const std::vector<int8_t> elements = {1, -2, 3, 127};
  const std::vector<float> scales = {0.5F, 0.25F};
  Tensor tensor;
  tensor.dtype = DType::kInt8;
  tensor.shape = {2, 2};
  tensor.data = std::as_bytes(std::span<const int8_t>(elements));
  tensor.scales = std::as_bytes(std::span<const float>(scales));
  const std::vector<SourceRow> rows = {{&tensor, 0}, {&tensor, 1}};
  const PackedWeights packed = PackRows(rows, 2, WeightFormat::kInt8);
  EXPECT_EQ(packed.scales, scales);
  // Lane 0 holds row 0, columns 0 and 1; lane 4 row 1. Two steps of 8 elements a lane.
  EXPECT_EQ(static_cast<int8_t>(packed.bytes[0]), 1);
  EXPECT_EQ(static_cast<int8_t>(packed.bytes[1]), -2);
  EXPECT_EQ(static_cast<int8_t>(packed.bytes[size_t{4} * 16]), 3);
  EXPECT_EQ(static_cast<int8_t>(packed.bytes[4 * 16 + 1]), 127);
}

TEST(WeightPackingTest, Float8UsesItsWholeRange) {
  const Matrix matrix(2, 4);
  const PackedWeights packed = PackRows(matrix.source, 4, WeightFormat::kFloat8);
  __nv_fp8_e4m3 largest;
  std::memcpy(&largest, packed.bytes.data() + size_t{16} * 5 + 1, 1);  // row 1, column 3: lane 5
  EXPECT_EQ(static_cast<float>(largest), 448);
  EXPECT_FLOAT_EQ(packed.scales[1], (1 + 3.0F / 64) / 448);
}

}  // namespace
}  // namespace strided::cuda
