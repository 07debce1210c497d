#include "engine/cuda/kernels/head_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "engine/cache/cache_layout.h"
#include "engine/model/attention_pattern.h"

namespace strided::cuda {
namespace {

std::vector<AttentionPattern> SomePatterns() {
  std::vector<AttentionPattern::Spec> specs = {{.kind = PatternKind::kDense}};
  for (const int span : {1, 3, 8}) {
    specs.push_back({.kind = PatternKind::kLocal, .window = span});
    for (const PatternKind kind : {PatternKind::kStrided, PatternKind::kLocalStrided,
                                   PatternKind::kBlock, PatternKind::kPreviousBlock}) {
      specs.push_back({.kind = kind, .stride = span});
    }
  }
  for (const PatternKind kind : {PatternKind::kSummary, PatternKind::kFixed}) {
    for (const int head : {0, 1, 2}) {
      specs.push_back({.kind = kind, .stride = 8, .cells = 2, .spread = 3, .head = head});
      specs.push_back({.kind = kind, .stride = 4, .cells = 4, .spread = 1, .head = head});
    }
  }
  std::vector<AttentionPattern> patterns;
  for (const auto& spec : specs) patterns.push_back(*AttentionPattern::Create(spec));
  return patterns;
}

std::vector<int> RowsOfStrips(const CacheLayout& layout, int query) {
  std::vector<CacheStrip> space(static_cast<size_t>(layout.max_strips()));
  std::vector<int> rows;
  for (const CacheStrip& strip : layout.StripsOf(query, space)) {
    for (int i = 0; i < strip.count; ++i) rows.push_back(strip.first + i);
  }
  return rows;
}

TEST(DivisorTest, GivesTheQuotientsAndRemaindersOfIntegers) {
  constexpr int kLargest = std::numeric_limits<int>::max();
  for (const int value :
       {1, 2, 3, 5, 7, 10, 96, 127, 128, 129, 641, 65535, 65536, 1 << 20, kLargest - 1, kLargest}) {
    const Divisor divisor = Divisor::Of(value);
    std::vector<int> dividends = {0, 1, kLargest - 1, kLargest};
    for (int64_t multiple = value; multiple < kLargest; multiple += multiple) {
      for (const int64_t near : {multiple - 1, multiple, multiple + 1}) {
        dividends.push_back(static_cast<int>(near));
      }
    }
    for (const int dividend : dividends) {
      EXPECT_EQ(divisor.Divide(dividend), dividend / value) << dividend << " by " << value;
      EXPECT_EQ(divisor.Remainder(dividend), dividend % value) << dividend << " by " << value;
    }
  }
}

TEST(HeadRowsTest, KeysAreTheRowsOfTheLayoutsStripsInOrder) {
  for (const AttentionPattern& pattern : SomePatterns()) {
    for (const int length : {1, 2, 7, 8, 9, 16, 50, 64}) {
      const CacheLayout layout(pattern, length);
      const HeadRows head = HeadRows::Of(pattern);
      EXPECT_EQ(head.Rows(length), layout.rows());
      for (int query = 0; query < length; ++query) {
        std::vector<int> rows;
        for (int k = 0; k < head.KeyCount(query); ++k) {
          rows.push_back(head.KeyRow(query, k, length));
        }
        EXPECT_EQ(rows, RowsOfStrips(layout, query))
            << PatternName(pattern.kind()) << ", query " << query << " of " << length;
      }
    }
  }
}

TEST(HeadRowsTest, StretchesAreTheRowsOfAllKeysAtOnce) {
  for (const AttentionPattern& pattern : SomePatterns()) {
    for (const int length : {1, 2, 7, 8, 9, 16, 50, 64}) {
      const HeadRows head = HeadRows::Of(pattern);
      for (int query = 0; query < length; ++query) {
        const KeyStretches rows = head.StretchesOf(query, length);
        const bool may_be_others =
            pattern.kind() == PatternKind::kLocalStrided || pattern.kind() == PatternKind::kFixed;
        EXPECT_TRUE(rows.straight || may_be_others) << PatternName(pattern.kind());
        for (int k = 0; rows.straight && k < head.KeyCount(query); ++k) {
          EXPECT_EQ(rows.RowOf(k), head.KeyRow(query, k, length))
              << PatternName(pattern.kind()) << ", query " << query << " of " << length;
        }
      }
    }
  }
}

TEST(HeadRowsTest, MostKeysIsTheLargestCountSoFar) {
  for (const AttentionPattern& pattern : SomePatterns()) {
    const HeadRows head = HeadRows::Of(pattern);
    int most = 0;
    for (int query = 0; query < 70; ++query) {
      most = std::max(most, head.KeyCount(query));
      EXPECT_EQ(head.MostKeys(query), most) << PatternName(pattern.kind()) << ", query " << query;
    }
  }
}

TEST(HeadRowsTest, TheOwnKeyIsTheOneKeyInARowThatItsPositionIsWrittenTo) {
  for (const AttentionPattern& pattern : SomePatterns()) {
    const HeadRows head = HeadRows::Of(pattern);
    for (const int length : {1, 7, 16, 64}) {
      for (int query = 0; query < length; ++query) {
        std::vector<int> own;
        for (int k = 0; k < head.KeyCount(query); ++k) {
          const int row = head.KeyRow(query, k, length);
          if (row == head.Home(query, length) || row == head.SecondHome(query, length)) {
            own.push_back(k);
          }
        }
        const int key = head.OwnKey(query);
        EXPECT_EQ(own, key < 0 ? std::vector<int>() : std::vector<int>{key})
            << PatternName(pattern.kind()) << ", query " << query << " of " << length;
      }
    }
  }
}

TEST(HeadRowsTest, APositionsHomesAreTheLayouts) {
  for (const AttentionPattern& pattern : SomePatterns()) {
    for (const int length : {1, 2, 7, 8, 9, 16, 50, 64}) {
      const CacheLayout layout(pattern, length);
      const HeadRows head = HeadRows::Of(pattern);
      for (int position = 0; position < length; ++position) {
        std::vector<int> expected;
        for (const CacheHome& home : layout.HomesOf(position)) expected.push_back(home.row);
        std::vector<int> homes;
        for (const int row : {head.Home(position, length), head.SecondHome(position, length)}) {
          if (row >= 0) homes.push_back(row);
        }
        EXPECT_EQ(homes, expected)
            << PatternName(pattern.kind()) << ", position " << position << " of " << length;
      }
    }
  }
}

}  // namespace
}  // namespace strided::cuda
