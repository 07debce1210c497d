#include "engine/base/quoted.h"

#include <gtest/gtest.h>

#include <string>

namespace strided {
namespace {

TEST(QuotedTest, NothingCanEndTheQuotesOrTheLine) {
  EXPECT_EQ(Quoted("text"), "\"text\"");
  EXPECT_EQ(Quoted("a\n\"b\\"), R"("a\n\"b\\")");
  EXPECT_EQ(Quoted("\xff"), R"("\xff")");
}

TEST(QuotedTest, WhatIsLongIsCut) {
  EXPECT_EQ(Quoted(std::string(64, 'a')), "\"" + std::string(64, 'a') + "\"");
  EXPECT_EQ(Quoted(std::string(1 << 20, 'a')), "\"" + std::string(64, 'a') + "...\"");
}

}  // namespace
}  // namespace strided
