#include "engine/cpu/kernels/fetch_list.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>

namespace strided {
namespace {

// Two stretches, of 128 and 192 bytes.
class FetchListTest : public testing::Test {
 protected:
  FetchListTest() {
    list_.Add({first_.data(), first_.size()});
    list_.Add({second_.data(), second_.size()});
  }

  std::array<std::byte, 128> first_{};
  std::array<std::byte, 192> second_{};
  FetchList list_{2};
};

TEST_F(FetchListTest, GivesStretchesOutFrontToBackThenNothing) {
  EXPECT_EQ(list_.Take(64), first_.data());
  EXPECT_EQ(list_.Take(64), first_.data() + 64);
  EXPECT_EQ(list_.Take(128), second_.data());
  EXPECT_EQ(list_.Take(128), second_.data() + 128);
  EXPECT_EQ(list_.Take(64), nullptr);
}

TEST_F(FetchListTest, NoPieceSpansTwoStretches) {
  EXPECT_EQ(list_.Take(100), first_.data());
  EXPECT_EQ(list_.Take(100), first_.data() + 100);
  EXPECT_EQ(list_.Take(100), second_.data());
}

TEST_F(FetchListTest, GivesNothingBeyondTheLimitUntilItIsLifted) {
  list_.Limit(100);
  EXPECT_EQ(list_.Take(64), first_.data());
  EXPECT_EQ(list_.Take(64), nullptr);
  list_.Unlimit();
  EXPECT_EQ(list_.Take(64), first_.data() + 64);
}

TEST_F(FetchListTest, GoesToTheStartOfAnyStretch) {
  list_.GoTo(1);
  EXPECT_EQ(list_.Take(64), second_.data());
  list_.GoTo(0);
  EXPECT_EQ(list_.Take(64), first_.data());
  list_.GoTo(2);
  EXPECT_EQ(list_.Take(64), nullptr);
}

TEST_F(FetchListTest, ForgetsStretchesAndLimitWhenCleared) {
  list_.Limit(0);
  list_.Clear();
  EXPECT_EQ(list_.Take(64), nullptr);
  list_.Add({second_.data(), second_.size()});
  EXPECT_EQ(list_.Take(64), second_.data());
}

TEST_F(FetchListTest, FetchSaysWhetherThereWasSomething) {
  EXPECT_TRUE(list_.Fetch(128));
  EXPECT_TRUE(list_.Fetch(192));
  EXPECT_FALSE(list_.Fetch(64));
}

TEST_F(FetchListTest, LeavesOutAnEmptyStretch) {
  list_.Clear();
  list_.Add({first_.data(), 0});
  list_.Add({second_.data(), second_.size()});
  EXPECT_EQ(list_.Take(64), second_.data());
}

}  // namespace
}  // namespace strided
