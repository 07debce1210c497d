#include "engine/cpu/core_count.h"

#include <gtest/gtest.h>

namespace strided {
namespace {

TEST(CoreCountTest, AQuotaIsRoundedUpToWholeCores) {
  EXPECT_EQ(CoresOfQuota("200000 100000", 8), 2);
  EXPECT_EQ(CoresOfQuota("250000 100000", 8), 3);
  EXPECT_EQ(CoresOfQuota("1000 100000", 8), 1);
}

TEST(CoreCountTest, AQuotaAboveTheCoresChangesNothing) {
  EXPECT_EQ(CoresOfQuota("6400000 100000", 8), 8);
}

TEST(CoreCountTest, NoLimitOrNonsenseChangesNothing) {
  for (const char* text : {"max 100000", "", "12", "x y", "-1 100000", "100000 0"}) {
    EXPECT_EQ(CoresOfQuota(text, 8), 8) << text;
  }
}

TEST(CoreCountTest, ThereIsAlwaysACore) { EXPECT_GE(UsableCores(), 1); }

}  // namespace
}  // namespace strided
