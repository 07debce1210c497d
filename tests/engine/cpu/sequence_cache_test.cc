#include "engine/cpu/sequence_cache.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "engine/cache/cache_bytes.h"
#include "tests/testing/config_text.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

constexpr int kLength = 24;

// One layer whose heads have one pattern each.
ModelConfig EveryPattern() {
  return SmallConfig(R"({"n_layer": 1, "n_head": 8, "attention": [{"heads": [
      {"pattern": "dense"}, {"pattern": "local", "window": 5},
      {"pattern": "strided", "stride": 5}, {"pattern": "local_strided", "stride": 5},
      {"pattern": "block", "stride": 5}, {"pattern": "summary", "stride": 5, "cells": 2, "spread": 2},
      {"pattern": "fixed", "stride": 5, "cells": 1, "spread": 3},
      {"pattern": "previous_block", "stride": 5}]}]})");
}

size_t KeyAt(int row, int d_key) {
  return static_cast<size_t>(row) * static_cast<size_t>(d_key) * sizeof(float);
}

float FirstOfKey(const SequenceCache::Head& head, int row, int d_key) {
  float value;
  std::memcpy(&value, head.keys + KeyAt(row, d_key), sizeof value);
  return value;
}

void WriteKey(const SequenceCache::Head& head, int row, int d_key, float value) {
  std::memcpy(head.keys + KeyAt(row, d_key), &value, sizeof value);
}

TEST(SequenceCacheTest, TakesExactlyTheBytesOfTheFormulas) {
  const ModelConfig config = EveryPattern();
  for (const int length : {1, 7, kLength}) {
    for (const int element_bytes : {2, 4}) {
      ASSERT_OK_AND_ASSIGN(const SequenceCache cache,
                           SequenceCache::Create(config, length, element_bytes));
      EXPECT_EQ(cache.bytes(), SequenceCacheBytes(config, length, element_bytes));
    }
  }
}

TEST(SequenceCacheTest, HeadsLieBehindEachOtherWithoutOverlap) {
  const ModelConfig config = EveryPattern();
  ASSERT_OK_AND_ASSIGN(const SequenceCache cache, SequenceCache::Create(config, kLength, 4));
  const std::byte* end = cache.head(0, 0).keys;
  for (int head = 0; head < config.n_head; ++head) {
    const SequenceCache::Head& place = cache.head(0, head);
    const auto rows = static_cast<size_t>(cache.layout(place).rows());
    EXPECT_EQ(place.keys, end);
    EXPECT_EQ(place.values, place.keys + rows * static_cast<size_t>(config.d_key) * 4);
    end = place.values + rows * static_cast<size_t>(config.d_value) * 4;
  }
  EXPECT_EQ(end - cache.head(0, 0).keys, cache.bytes());
}

TEST(SequenceCacheTest, ACopyHoldsWhatItsSourceHeld) {
  const ModelConfig config = EveryPattern();
  ASSERT_OK_AND_ASSIGN(SequenceCache source, SequenceCache::Create(config, kLength, 4));
  ASSERT_OK_AND_ASSIGN(SequenceCache copy, SequenceCache::Create(config, kLength, 4));
  WriteKey(source.head(0, 3), 2, config.d_key, 7.5f);
  copy.CopyFrom(source);
  WriteKey(source.head(0, 3), 2, config.d_key, 0.0f);
  EXPECT_EQ(FirstOfKey(copy.head(0, 3), 2, config.d_key), 7.5f);
}

#ifndef NDEBUG
TEST(SequenceCacheTest, ADebugBuildPoisonsExactlyWhatThePatternNoLongerNeeds) {
  const ModelConfig config = EveryPattern();
  ASSERT_OK_AND_ASSIGN(SequenceCache cache, SequenceCache::Create(config, kLength, 4));
  for (int head = 0; head < config.n_head; ++head) {
    const SequenceCache::Head& place = cache.head(0, head);
    const CacheLayout& layout = cache.layout(place);
    const AttentionPattern& pattern = config.attention[0][static_cast<size_t>(head)];
    for (int t = 0; t < kLength; ++t) {
      for (const CacheHome& home : layout.HomesOf(t)) {
        WriteKey(place, home.row, config.d_key, static_cast<float>(t));
      }
      cache.PoisonAfter(place, t);
      for (int key = 0; key <= t; ++key) {
        bool held = false;
        for (const CacheHome& home : layout.HomesOf(key)) {
          held |= FirstOfKey(place, home.row, config.d_key) == static_cast<float>(key);
        }
        EXPECT_EQ(held, pattern.KeptAfter(key, t, kLength))
            << PatternName(pattern.kind()) << ": key " << key << " after step " << t;
      }
    }
  }
}

TEST(SequenceCacheTest, ADebugBuildStartsWithNaNEverywhere) {
  const ModelConfig config = EveryPattern();
  ASSERT_OK_AND_ASSIGN(const SequenceCache cache, SequenceCache::Create(config, kLength, 4));
  const SequenceCache::Head& place = cache.head(0, 0);
  for (int row = 0; row < kLength; ++row) {
    EXPECT_TRUE(std::isnan(FirstOfKey(place, row, config.d_key))) << row;
  }
}
#endif

}  // namespace
}  // namespace strided
