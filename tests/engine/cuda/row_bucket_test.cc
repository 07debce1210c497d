#include <gtest/gtest.h>

#include <set>

#include "engine/cuda/decode_step.h"

namespace strided::cuda {
namespace {

TEST(RowBucketTest, IsTheLeastOfItsListThatHoldsTheRows) {
  EXPECT_EQ(RowBucket(1, 256), 1);
  EXPECT_EQ(RowBucket(3, 256), 4);
  EXPECT_EQ(RowBucket(8, 256), 8);
  EXPECT_EQ(RowBucket(9, 256), 16);
  EXPECT_EQ(RowBucket(17, 256), 24);
  EXPECT_EQ(RowBucket(97, 256), 128);
  EXPECT_EQ(RowBucket(129, 256), 192);
  EXPECT_EQ(RowBucket(1000, 2000), 1024);
}

TEST(RowBucketTest, IsNeverAboveTheMost) {
  EXPECT_EQ(RowBucket(5, 7), 7);
  EXPECT_EQ(RowBucket(200, 250), 250);
}

TEST(RowBucketTest, HoldsItsRowsAndDoesNotFall) {
  std::set<int> buckets;
  int before = 0;
  for (int rows = 1; rows <= 256; ++rows) {
    const int bucket = RowBucket(rows, 256);
    EXPECT_GE(bucket, rows);
    EXPECT_GE(bucket, before);
    EXPECT_EQ(RowBucket(bucket, 256), bucket);
    buckets.insert(before = bucket);
  }
  EXPECT_EQ(buckets.size(), 13u) << "graphs that a device may have to keep for each set of chunks";
}

}  // namespace
}  // namespace strided::cuda
