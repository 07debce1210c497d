// How decode attention over int8 caches is cut into blocks and warps.

#include <gtest/gtest.h>

#include "engine/cuda/kernels/decode_attention.h"

namespace strided::cuda {
namespace {

constexpr int kMultiprocessors = 132;
constexpr int kRoomy = 100;  // warps that a block's shared memory has room for

ByteAttentionShape Choose(int queries, int chunks, int most_warps = kRoomy) {
  return ChooseByteAttention(queries, chunks, most_warps, kMultiprocessors);
}

TEST(ByteAttentionChoiceTest, FewQueriesGiveEachChunkAWarp) {
  for (int chunks = 1; chunks <= 40; ++chunks) {
    const ByteAttentionShape shape = Choose(8, chunks);
    EXPECT_GE(shape.blocks * shape.warps, chunks) << chunks << " chunks";
    EXPECT_LT((shape.blocks - 1) * shape.warps, chunks) << chunks << " chunks";
  }
}

TEST(ByteAttentionChoiceTest, AQueryOfManyIsOneBlocks) {
  EXPECT_EQ(Choose(2048, 13).blocks, 1);
  EXPECT_EQ(Choose(2048, 1).warps, 1);
}

TEST(ByteAttentionChoiceTest, ABlockHasNoMoreWarpsThanRoom) {
  EXPECT_EQ(Choose(2048, 13, 1).warps, 1);
  EXPECT_EQ(Choose(2048, 13, 2).warps, 2);
}

// Whose shares would not fit into the shared memory of one.
TEST(ByteAttentionChoiceTest, AQueryOfVeryManyChunksIsSharedByBlocks) {
  EXPECT_GT(Choose(100000, 512).blocks, 1);
}

}  // namespace
}  // namespace strided::cuda
