#include "engine/cuda/cluster/cluster_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/testing/config_text.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda::cluster {
namespace {

using testing::HasSubstr;

constexpr int kHopper = 9;

// The released CIFAR-10 networks' layer, but for `more`.
ModelConfig CifarConfig(absl::string_view more = "") {
  return SmallConfig(absl::StrCat(
      R"({"d_model": 256, "n_head": 2, "d_key": 64, "d_value": 128, "d_ff": 512)", more, "}"));
}

TEST(ChooseShapeTest, TheCifarNetworksHaveAKernel) {
  ASSERT_OK_AND_ASSIGN(const Shape shape, ChooseShape(CifarConfig(), WeightFormat::kBfloat16,
                                                      CacheFormat::kAuto, kHopper));
  EXPECT_EQ(shape, (Shape{256, 2, 64, 128, 2}));
}

TEST(ChooseShapeTest, AHiddenLayerIsPaddedToWholeTilesOfEveryBlock) {
  const ModelConfig text =
      SmallConfig(R"({"d_model": 256, "n_head": 4, "d_key": 64, "d_value": 64, "d_ff": 960})");
  ASSERT_OK_AND_ASSIGN(const Shape shape,
                       ChooseShape(text, WeightFormat::kInt8, CacheFormat::kAuto, kHopper));
  EXPECT_EQ(shape.ff_tiles, 4);
}

TEST(ChooseShapeTest, NetworksOfWidth512HaveAKernel) {
  const ModelConfig image =
      SmallConfig(R"({"d_model": 512, "n_head": 16, "d_key": 32, "d_value": 32, "d_ff": 2048})");
  ASSERT_OK_AND_ASSIGN(const Shape shape,
                       ChooseShape(image, WeightFormat::kBfloat16, CacheFormat::kAuto, kHopper));
  EXPECT_EQ(shape, (Shape{512, 16, 32, 32, 8}));
}

TEST(ChooseShapeTest, Int8CachesHaveKernelsOfTheirOwnForWidth256) {
  ASSERT_OK_AND_ASSIGN(const Shape shape, ChooseShape(CifarConfig(), WeightFormat::kBfloat16,
                                                      CacheFormat::kInt8, kHopper));
  EXPECT_EQ(shape, (Shape{256, 2, 64, 128, 2, /*int8_caches=*/true}));
  const ModelConfig wide =
      SmallConfig(R"({"d_model": 512, "n_head": 16, "d_key": 32, "d_value": 32, "d_ff": 2048})");
  EXPECT_THAT(ChooseShape(wide, WeightFormat::kBfloat16, CacheFormat::kInt8, kHopper),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("d_ff 2048, int8 caches")));
}

TEST(ChooseShapeTest, NetworksNarrowerThanTheBlocksTilesHaveAKernel) {
  const ModelConfig narrowest =
      SmallConfig(R"({"d_model": 64, "n_head": 2, "d_key": 32, "d_value": 32, "d_ff": 256})");
  ASSERT_OK_AND_ASSIGN(const Shape shape, ChooseShape(narrowest, WeightFormat::kBfloat16,
                                                      CacheFormat::kAuto, kHopper));
  EXPECT_EQ(shape, (Shape{64, 2, 32, 32, 1}));
}

TEST(ChooseShapeTest, WhatHasNoKernelIsRefusedWithTheReason) {
  const auto reason = [](const ModelConfig& config, WeightFormat format, int major) {
    return std::string(ChooseShape(config, format, CacheFormat::kAuto, major).status().message());
  };
  EXPECT_THAT(reason(CifarConfig(), WeightFormat::kBfloat16, 8), HasSubstr("capability 8.x"));
  EXPECT_THAT(reason(CifarConfig(), WeightFormat::kFloat16, kHopper), HasSubstr("float16"));
  EXPECT_THAT(reason(CifarConfig(R"(, "vocab_size": 257)"), WeightFormat::kBfloat16, kHopper),
              HasSubstr("to 256, not 257"));
  EXPECT_THAT(reason(CifarConfig(R"(, "d_ff": 513)"), WeightFormat::kBfloat16, kHopper),
              HasSubstr("d_ff 513"));
  EXPECT_THAT(reason(CifarConfig(R"(, "d_model": 128)"), WeightFormat::kBfloat16, kHopper),
              HasSubstr("d_model 128"));
  EXPECT_THAT(reason(CifarConfig(R"(, "norm": "scale")"), WeightFormat::kBfloat16, kHopper),
              HasSubstr("norms with a mean"));
  EXPECT_THAT(reason(CifarConfig(R"(, "start_token": 0, "position_rule": "current")"),
                     WeightFormat::kBfloat16, kHopper),
              HasSubstr("start vector"));
}

TEST(ChooseShapeTest, OnlyWhatWasMeasuredFasterIsTakenUnasked) {
  EXPECT_TRUE(IsFasterThanGraphs(Shape{256, 2, 64, 128, 2}));
  EXPECT_TRUE(IsFasterThanGraphs(Shape{256, 4, 64, 64, 4}));
  EXPECT_TRUE(IsFasterThanGraphs(Shape{256, 2, 64, 128, 2, /*int8_caches=*/true}));
  EXPECT_FALSE(IsFasterThanGraphs(Shape{256, 4, 64, 64, 4, /*int8_caches=*/true}));
  EXPECT_TRUE(IsFasterThanGraphs(Shape{64, 2, 32, 32, 1}));
  EXPECT_FALSE(IsFasterThanGraphs(Shape{512, 16, 32, 32, 8}));
}

TEST(MostGroupsTest, IsWhatFitsBesideALayersWeightsOrTwoPassesOfThem) {
  EXPECT_EQ(MostGroups(Shape{256, 2, 64, 128, 2}), 5);
  EXPECT_EQ(MostGroups(Shape{256, 4, 64, 64, 4}), 3);
  EXPECT_EQ(MostGroups(Shape{256, 4, 64, 64, 4, /*int8_caches=*/true}), 3);
  EXPECT_EQ(MostGroups(Shape{128, 4, 32, 32, 2}), 5);
  EXPECT_EQ(MostGroups(Shape{512, 16, 32, 32, 8}), 2);
  EXPECT_EQ(MostGroups(Shape{512, 8, 64, 64, 8}), 2);
}

TEST(DealRowsTest, FewRowsHaveAClusterEach) {
  EXPECT_EQ(DealRows(1, 7, 5), (Deal{.clusters = 1, .groups = 1, .group_rows = 1}));
  EXPECT_EQ(DealRows(7, 7, 5), (Deal{.clusters = 7, .groups = 1, .group_rows = 1}));
  EXPECT_EQ(DealRows(8, 7, 5), (Deal{.clusters = 4, .groups = 1, .group_rows = 2}));
  EXPECT_EQ(DealRows(56, 7, 5), (Deal{.clusters = 7, .groups = 1, .group_rows = 8}));
}

TEST(DealRowsTest, MoreRowsAreSpreadOverGroupsBeforeTheyTakeTurns) {
  EXPECT_EQ(DealRows(57, 7, 5), (Deal{.clusters = 7, .groups = 2, .group_rows = 5}));
  EXPECT_EQ(DealRows(64, 7, 5), (Deal{.clusters = 7, .groups = 2, .group_rows = 5}));
  EXPECT_EQ(DealRows(256, 7, 5), (Deal{.clusters = 7, .groups = 5, .group_rows = 8}));
  EXPECT_EQ(DealRows(256, 7, 4), (Deal{.clusters = 14, .groups = 3, .group_rows = 7}));
}

TEST(DealRowsTest, EveryRowIsInAGroup) {
  for (const int at_once : {1, 7, 8}) {
    for (const int most_groups : {1, 4, 5}) {
      for (int rows = 1; rows <= 300; ++rows) {
        const Deal deal = DealRows(rows, at_once, most_groups);
        ASSERT_LE(deal.group_rows, kColumns) << rows;
        ASSERT_LE(deal.groups, most_groups) << rows;
        ASSERT_GE(deal.clusters * deal.groups * deal.group_rows, rows) << rows;
        // The first group of the last cluster has some.
        ASSERT_LT((deal.clusters - 1) * deal.group_rows, rows) << rows;
      }
    }
  }
}

TEST(DealRowsTest, NoDealHasMoreGroupsThanThereIsRoomFor) {
  for (int most_groups = 1; most_groups <= kMostGroups; ++most_groups) {
    const int room = MostGroupsDealt(300, 7, most_groups);
    for (int rows = 1; rows <= 300; ++rows) {
      const Deal deal = DealRows(rows, 7, most_groups);
      EXPECT_LE(deal.clusters * deal.groups, room) << rows << " rows";
    }
  }
}

}  // namespace
}  // namespace strided::cuda::cluster
