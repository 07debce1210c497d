#include "engine/cuda/cluster/cluster_packing.h"

#include <cuda_bf16.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace strided::cuda::cluster {
namespace {

// Every weight another small number, which bfloat16 holds exactly.
FoldedMatrix NumberedMatrix(int outputs, int inputs) {
  FoldedMatrix matrix;
  matrix.outputs = outputs;
  matrix.inputs = inputs;
  for (int i = 0; i < outputs * inputs; ++i) {
    matrix.weights.push_back(static_cast<float>(i * 37 % 251 - 125));
  }
  for (int i = 0; i < outputs; ++i) matrix.bias.push_back(static_cast<float>(i) + 0.5F);
  return matrix;
}

template <typename T>
T At(const std::vector<std::byte>& bytes, int offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::vector<std::byte> Chunk(const FoldedMatrix& matrix, int first_output, int chunk) {
  std::vector<std::byte> bytes(kChunkBytes);
  PackChunk(matrix, first_output, chunk, bytes);
  return bytes;
}

// The tile's weight (row, input), by the header's table of a lane's elements.
float WeightAt(const std::vector<std::byte>& chunk, int row, int input) {
  constexpr int kElements[8][2] = {{0, 0}, {0, 1}, {8, 0}, {8, 1}, {0, 2}, {0, 3}, {8, 2}, {8, 3}};
  for (int element = 0; element < 8; ++element) {
    const auto [lower, offset] = kElements[element];
    if (row / 8 * 8 != lower || input % 4 != offset) continue;
    const int lane = row % 8 * 4 + input % 16 / 4;
    return static_cast<float>(
        At<__nv_bfloat16>(chunk, input / 16 * kStepBytes + lane * 16 + element * 2));
  }
  return NAN;
}

TEST(PackChunkTest, AWeightStandsWhereItsLaneReadsIt) {
  const FoldedMatrix matrix = NumberedMatrix(32, 512);
  const std::vector<std::byte> chunk = Chunk(matrix, 16, 1);
  for (int row = 0; row < 16; ++row) {
    for (int input = 0; input < 256; ++input) {
      const size_t at = (16 + static_cast<size_t>(row)) * 512 + 256 + static_cast<size_t>(input);
      ASSERT_EQ(WeightAt(chunk, row, input), matrix.weights[at]) << row << ", " << input;
    }
  }
}

TEST(PackChunkTest, RowsHaveTheirSumsAndEveryChunkTheBiases) {
  const FoldedMatrix matrix = NumberedMatrix(16, 512);
  for (const int chunk : {0, 1}) {
    const std::vector<std::byte> bytes = Chunk(matrix, 0, chunk);
    for (int row = 0; row < 16; ++row) {
      float sum = 0;
      for (int i = 0; i < 256; ++i) {
        sum +=
            matrix.weights[static_cast<size_t>(row) * 512 + static_cast<size_t>(chunk * 256 + i)];
      }
      EXPECT_EQ(At<float>(bytes, kRowSumsAt + row * 4), sum);
      EXPECT_EQ(At<float>(bytes, kBiasAt + row * 4), matrix.bias[static_cast<size_t>(row)]);
    }
  }
}

TEST(PackChunkTest, WhatTheMatrixLacksIsZeros) {
  const FoldedMatrix matrix = NumberedMatrix(20, 300);
  const std::vector<std::byte> chunk = Chunk(matrix, 16, 1);
  EXPECT_EQ(WeightAt(chunk, 3, 43), matrix.weights[19 * 300 + 299]);
  EXPECT_EQ(WeightAt(chunk, 3, 44), 0);  // inputs end at 300
  EXPECT_EQ(WeightAt(chunk, 4, 0), 0);   // outputs at 20
  EXPECT_EQ(At<float>(chunk, kRowSumsAt + 4 * 4), 0);
}

TEST(StageSizeTest, APassIsOfFewChunks) {
  constexpr StageSize kShort = {.tiles = 3, .chunks = 1};
  EXPECT_EQ(kShort.passes(), 1);
  constexpr StageSize kManyTiles = {.tiles = 6, .chunks = 2};
  EXPECT_EQ(kManyTiles.passes(), 3);
  EXPECT_EQ(kManyTiles.pass_tiles(), 2);
  constexpr StageSize kManyInputs = {.tiles = 2, .chunks = 8};
  EXPECT_EQ(kManyInputs.passes(), 4);
  EXPECT_EQ(kManyInputs.pass_chunks(), 2);
}

TEST(PlaceOfTest, APassHasItsTilesOneAfterTheOther) {
  constexpr StageSize kManyTiles = {.tiles = 6, .chunks = 2};
  EXPECT_EQ(PlaceOf(kManyTiles, 1), (ChunkPlace{.tile = 0, .chunk = 1}));
  EXPECT_EQ(PlaceOf(kManyTiles, 2), (ChunkPlace{.tile = 1, .chunk = 0}));
  EXPECT_EQ(PlaceOf(kManyTiles, 11), (ChunkPlace{.tile = 5, .chunk = 1}));
  constexpr StageSize kManyInputs = {.tiles = 2, .chunks = 8};
  EXPECT_EQ(PlaceOf(kManyInputs, 1), (ChunkPlace{.tile = 0, .chunk = 1}));
  EXPECT_EQ(PlaceOf(kManyInputs, 2), (ChunkPlace{.tile = 1, .chunk = 0}));
  EXPECT_EQ(PlaceOf(kManyInputs, 4), (ChunkPlace{.tile = 0, .chunk = 2}));
  EXPECT_EQ(PlaceOf(kManyInputs, 15), (ChunkPlace{.tile = 1, .chunk = 7}));
}

TEST(FoldNormTest, AMatrixOfNormedInputsIsOneOfInputs) {
  FoldedMatrix matrix = NumberedMatrix(4, 8);
  const FoldedMatrix before = matrix;
  const std::vector<float> weight = {1, 2, -1, 0.5F, 1, 1, 4, 1};
  const std::vector<float> bias = {0, 1, 0, 2, 0, 0, 0, -1};
  FoldNorm(weight, bias, matrix);
  const std::vector<float> x = {1, -2, 3, 0, 2, 1, 1, 5};
  for (size_t output = 0; output < 4; ++output) {
    float expected = before.bias[output];
    float actual = matrix.bias[output];
    for (size_t i = 0; i < 8; ++i) {
      expected += before.weights[output * 8 + i] * (x[i] * weight[i] + bias[i]);
      actual += matrix.weights[output * 8 + i] * x[i];
    }
    EXPECT_EQ(actual, expected) << "output " << output;
  }
}

}  // namespace
}  // namespace strided::cuda::cluster
