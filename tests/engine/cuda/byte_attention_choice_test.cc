// How decode attention is cut into blocks: over int8 caches, of queries of one chunk, of streams.

#include <gtest/gtest.h>

#include "engine/cuda/kernels/block_spread.h"
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

TEST(StreamChoiceTest, ChunksOfManyQueriesAreStreams) {
  EXPECT_FALSE(IsStream(8, 13, kMultiprocessors));
  EXPECT_FALSE(IsStream(2048, 1, kMultiprocessors));
  EXPECT_TRUE(IsStream(2048, 13, kMultiprocessors));
  EXPECT_TRUE(IsStream(16, 512, kMultiprocessors));
}

TEST(CopiedHeadsChoiceTest, FewQueriesKeepTheirKeysInRegisters) {
  EXPECT_EQ(ChooseCopiedHeads(1, 16, kMultiprocessors), 0);
  EXPECT_EQ(ChooseCopiedHeads(8, 16, kMultiprocessors), 0);
}

TEST(CopiedHeadsChoiceTest, ABlockTakesTwoHeadsWhereThatLeavesEveryMultiprocessorSome) {
  EXPECT_EQ(ChooseCopiedHeads(16, 16, kMultiprocessors), 1);
  EXPECT_EQ(ChooseCopiedHeads(32, 16, kMultiprocessors), 2);
  EXPECT_EQ(ChooseCopiedHeads(128, 16, kMultiprocessors), 2);
}

TEST(CopiedHeadsChoiceTest, AnOddNumberOfHeadsIsNotShared) {
  EXPECT_EQ(ChooseCopiedHeads(128, 5, kMultiprocessors), 1);
}

TEST(CopiedSharedBytesTest, AShareOfThreeBlocksOfTwoHeadsIsKept) {
  constexpr int kMostBytes = 227 << 10;
  const auto choose = [](int heads, int blocks) {
    return CopiedSharedBytes(34000, heads, blocks, kMultiprocessors, kMostBytes);
  };
  EXPECT_EQ(choose(2, 2 * kMultiprocessors), 34000);
  EXPECT_EQ(choose(2, 384), BytesOfAtMost(3, kMostBytes));
  EXPECT_EQ(choose(2, 3 * kMultiprocessors + 1), 34000);
  EXPECT_EQ(choose(1, 384), 34000);
  EXPECT_EQ(CopiedSharedBytes(70000, 2, 384, kMultiprocessors, kMostBytes), 70000);
}

}  // namespace
}  // namespace strided::cuda
