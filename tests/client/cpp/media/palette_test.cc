#include "client/cpp/media/palette.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;

TEST(PaletteTest, LevelsAreRoundedFromMinusOneToOne) {
  ASSERT_OK_AND_ASSIGN(const Palette palette,
                       Palette::Parse(R"({"clusters": [[-1, 0.2, 1]], "size": 32})"));
  ASSERT_OK_AND_ASSIGN(const std::string painted, palette.Paint(std::vector<uint32_t>{0, 0}));
  EXPECT_EQ(painted, std::string("\x00\x99\xff\x00\x99\xff", 6));
}

TEST(PaletteTest, WhatIsNoListOfColoursIsNamed) {
  const auto refused = [](const char* message) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message));
  };
  EXPECT_THAT(Palette::Parse("{"), refused("no such list"));
  EXPECT_THAT(Palette::Parse(R"({"clusters": []})"), refused("no such list"));
  EXPECT_THAT(Palette::Parse(R"({"clusters": [[0, 0, 0], [0, 0]]})"), refused("clusters[1]"));
  EXPECT_THAT(Palette::Parse(R"({"clusters": [[0, 0, 2]]})"), refused("clusters[0]"));
}

}  // namespace
}  // namespace strided::client
