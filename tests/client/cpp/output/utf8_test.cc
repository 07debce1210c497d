#include "client/cpp/output/utf8.h"

#include <gtest/gtest.h>

namespace strided::client {
namespace {

constexpr char kBad[] = "\xef\xbf\xbd";  // U+FFFD

std::string Join(const std::string& bytes) {
  Utf8Joiner joiner;
  std::string joined = joiner.Add(bytes);
  return joined += joiner.Finish();
}

TEST(Utf8Test, ValidTextIsUnchangedHoweverItIsCut) {
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xb5z";  // 1 to 4 bytes
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Utf8Joiner joiner;
    std::string joined = joiner.Add(text.substr(0, cut));
    joined += joiner.Add(text.substr(cut));
    joined += joiner.Finish();
    EXPECT_EQ(joined, text) << "cut at " << cut;
  }
}

TEST(Utf8Test, ACharacterIsKeptUntilItIsComplete) {
  Utf8Joiner joiner;
  EXPECT_EQ(joiner.Add("x\xe2"), "x");
  EXPECT_EQ(joiner.Add("\x82"), "");
  EXPECT_EQ(joiner.Add("\xac"), "\xe2\x82\xac");
}

TEST(Utf8Test, WhatIsNoCharacterIsReplacedByteByByte) {
  const std::string bad = kBad;
  EXPECT_EQ(Join("\xff"), bad);
  EXPECT_EQ(Join("\x80x"), bad + "x");
  EXPECT_EQ(Join("\xc3x"), bad + "x");                         // not continued
  EXPECT_EQ(Join("\xc0\xaf"), bad + bad);                      // overlong
  EXPECT_EQ(Join("\xed\xa0\x80"), bad + bad + bad);            // a surrogate
  EXPECT_EQ(Join("\xf4\x90\x80\x80"), bad + bad + bad + bad);  // past U+10FFFF
  EXPECT_EQ(Join("\xe2\x82"), bad + bad);                      // cut short at the end
}

TEST(Utf8Test, NothingSteersTheTerminal) {
  EXPECT_EQ(WithoutControls("a\n\tb"), "a\n\tb");
  EXPECT_EQ(WithoutControls("\x1b[2J"), "\xe2\x90\x9b[2J");  // U+241B
  EXPECT_EQ(WithoutControls("\r\x7f"), "\xe2\x90\x8d\xe2\x90\xa1");
  EXPECT_EQ(WithoutControls("\xc2\x9b"), kBad);        // CSI as one character
  EXPECT_EQ(WithoutControls("\xc2\xa9"), "\xc2\xa9");  // a copyright sign stays
  EXPECT_EQ(WithoutControls(std::string(1, '\0')), "\xe2\x90\x80");
}

}  // namespace
}  // namespace strided::client
