#include "engine/cuda/cache_arena.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

namespace strided::cuda {
namespace {

constexpr int64_t kUnit = CacheArena::kAlignment;

TEST(CacheArenaTest, PartsFollowEachOtherAtMultiplesOfTheAlignment) {
  CacheArena arena(10 * kUnit);
  EXPECT_EQ(arena.Take(1), 0);
  EXPECT_EQ(arena.Take(kUnit), kUnit);
  EXPECT_EQ(arena.Take(kUnit + 1), 2 * kUnit);
  EXPECT_EQ(arena.Take(1), 4 * kUnit);
}

TEST(CacheArenaTest, TheWholeArenaCanBeTakenAndNoMore) {
  CacheArena arena(4 * kUnit);
  EXPECT_EQ(arena.Take(4 * kUnit + 1), std::nullopt);
  EXPECT_EQ(arena.Take(4 * kUnit), 0);
  EXPECT_EQ(arena.Take(1), std::nullopt);
}

TEST(CacheArenaTest, WhatIsTakenIsRoundedUp) {
  EXPECT_EQ(CacheArena::Rounded(0), 0);
  EXPECT_EQ(CacheArena::Rounded(1), kUnit);
  EXPECT_EQ(CacheArena::Rounded(kUnit), kUnit);
  CacheArena arena(kUnit + 1);
  EXPECT_EQ(arena.Take(kUnit + 1), std::nullopt) << "would take two units";
}

TEST(CacheArenaTest, AnArenaWithoutBytesHasNone) {
  CacheArena arena(0);
  EXPECT_EQ(arena.Take(1), std::nullopt);
}

TEST(CacheArenaTest, TheFirstFreePartThatIsLargeEnoughIsTaken) {
  CacheArena arena(10 * kUnit);
  const int64_t first = *arena.Take(2 * kUnit);
  ASSERT_TRUE(arena.Take(kUnit));
  const int64_t third = *arena.Take(3 * kUnit);
  ASSERT_TRUE(arena.Take(kUnit));
  arena.GiveBack(third);
  arena.GiveBack(first);
  EXPECT_EQ(arena.Take(3 * kUnit), third) << "the first part is too small";
  EXPECT_EQ(arena.Take(kUnit), first);
  EXPECT_EQ(arena.Take(kUnit), first + kUnit) << "what was left of the first part";
}

TEST(CacheArenaTest, NeighboursAreJoinedInAnyOrderOfTheirReturn) {
  const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (const auto& order : orders) {
    CacheArena arena(3 * kUnit);
    int64_t parts[3];
    for (int64_t& part : parts) part = *arena.Take(kUnit);
    for (const int part : order) arena.GiveBack(parts[part]);
    EXPECT_EQ(arena.Take(3 * kUnit), 0) << "order " << order[0] << order[1] << order[2];
  }
}

TEST(CacheArenaTest, FreePartsThatAreNotNeighboursDoNotMakeALargerOne) {
  CacheArena arena(3 * kUnit);
  const int64_t first = *arena.Take(kUnit);
  const int64_t middle = *arena.Take(kUnit);
  const int64_t last = *arena.Take(kUnit);
  arena.GiveBack(first);
  arena.GiveBack(last);
  EXPECT_EQ(arena.Take(2 * kUnit), std::nullopt);
  arena.GiveBack(middle);
  EXPECT_EQ(arena.Take(2 * kUnit), 0);
}

TEST(CacheArenaTest, SaysWhatIsFreeAndWhatOfItStandsTogether) {
  CacheArena arena(6 * kUnit);
  EXPECT_EQ(arena.largest_free_part(), 6 * kUnit);
  const int64_t first = *arena.Take(2 * kUnit);
  ASSERT_TRUE(arena.Take(kUnit));
  arena.GiveBack(first);
  EXPECT_EQ(arena.free_bytes(), 5 * kUnit);
  EXPECT_EQ(arena.largest_free_part(), 3 * kUnit);
  ASSERT_TRUE(arena.Take(3 * kUnit));
  ASSERT_TRUE(arena.Take(2 * kUnit));
  EXPECT_EQ(arena.free_bytes(), 0);
  EXPECT_EQ(arena.largest_free_part(), 0);
}

TEST(CacheArenaTest, PartsNeverOverlapAndAllComeBack) {
  constexpr int64_t kSize = 64 * kUnit;
  CacheArena arena(kSize);
  std::map<int64_t, int64_t> taken;  // offset -> bytes
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    if (random() % 2 == 0) {
      const int64_t bytes = 1 + static_cast<int64_t>(random()) % (8 * kUnit);
      const std::optional<int64_t> offset = arena.Take(bytes);
      if (!offset) continue;
      ASSERT_LE(*offset + bytes, kSize);
      const auto next = taken.lower_bound(*offset);
      if (next != taken.end()) {
        ASSERT_LE(*offset + bytes, next->first);
      }
      if (next != taken.begin()) {
        ASSERT_LE(std::prev(next)->first + std::prev(next)->second, *offset);
      }
      taken.emplace(*offset, bytes);
    } else if (!taken.empty()) {
      const auto gone = std::next(taken.begin(), static_cast<int>(random() % taken.size()));
      arena.GiveBack(gone->first);
      taken.erase(gone);
    }
  }
  for (const auto& [offset, bytes] : taken) arena.GiveBack(offset);
  EXPECT_EQ(arena.Take(kSize), 0);
}

}  // namespace
}  // namespace strided::cuda
