// The arithmetic of prefill attention, held against AttentionPattern and CacheLayout on the host.

#include "engine/cuda/kernels/key_spans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cache/cache_layout.h"
#include "engine/cuda/kernels/query_tiles.h"
#include "engine/cuda/kernels/store_keys.h"
#include "tests/engine/cuda/some_patterns.h"

namespace strided::cuda {
namespace {

using ::testing::Contains;
using ::testing::Each;

const std::vector<int> kSpans = {1, 3, 8, 16, 100};
constexpr QueryOrder kOrders[] = {QueryOrder::kColumns, QueryOrder::kConsecutive};

std::string Describe(const AttentionPattern& pattern) {
  const AttentionPattern::Spec& spec = pattern.spec();
  return absl::StrCat(PatternName(spec.kind), " w ", spec.window, " l ", spec.stride, " c ",
                      spec.cells, " h ", spec.head);
}

TEST(KeySpansTest, SpansNameEachKeyOfAQueryOnce) {
  for (const AttentionPattern& pattern : PatternsOfEveryKind(kSpans)) {
    const HeadRows head = HeadRows::Of(pattern);
    for (int query = 0; query < 220; ++query) {
      std::vector<int> positions;
      for (const QueryOrder order : kOrders) {
        if (!TakesQueries(head, order)) continue;
        for (int s = 0; s < kMaxSpans; ++s) {
          const KeySpan span = SpanOf(head, order, s, query);
          for (int key = span.begin; key < span.end; ++key) {
            positions.push_back(PositionOf(head, span.axis, query % head.period, key));
          }
        }
      }
      std::sort(positions.begin(), positions.end());
      ASSERT_EQ(positions, pattern.KeysOf(query)) << Describe(pattern) << ", query " << query;
    }
  }
}

TEST(KeySpansTest, AKeysRowIsOneOfItsPositionsHomes) {
  for (const AttentionPattern& pattern : PatternsOfEveryKind(kSpans)) {
    const HeadRows head = HeadRows::Of(pattern);
    for (const int length : {1, 7, 16, 50, 130}) {
      const CacheLayout layout(pattern, length);
      for (int query = 0; query < length; ++query) {
        for (const QueryOrder order : kOrders) {
          if (!TakesQueries(head, order)) continue;
          for (int s = 0; s < kMaxSpans; ++s) {
            const KeySpan span = SpanOf(head, order, s, query);
            for (int key = span.begin; key < span.end; ++key) {
              const int residue = query % head.period;
              std::vector<int> homes;
              for (const CacheHome& home :
                   layout.HomesOf(PositionOf(head, span.axis, residue, key))) {
                homes.push_back(home.row);
              }
              ASSERT_THAT(homes, Contains(CacheRowOf(head, span.axis, residue, key, length)))
                  << Describe(pattern) << ", query " << query << ", key " << key;
            }
          }
        }
      }
    }
  }
}

TEST(QueryTilesTest, EachRowIsInOneTileOfItsRun) {
  const std::vector<RowRun> runs = {{0, 5, 0, 40}, {1, 0, 40, 1}, {2, 99, 41, 64}, {3, 7, 105, 9}};
  for (const AttentionPattern& pattern : PatternsOfEveryKind(kSpans)) {
    const HeadRows head = HeadRows::Of(pattern);
    const AttentionGrids grids = PlanAttention({&head, 1}, runs);
    for (const QueryOrder order : kOrders) {
      const QueryGrid grid = order == QueryOrder::kColumns ? grids.columns : grids.consecutive;
      if (!TakesQueries(head, order)) {
        EXPECT_EQ(grid.tiles, 0);
        continue;
      }
      std::vector<int> times(114, 0);
      for (int index = 0; index < grid.tiles; ++index) {
        const QueryTile tile = TileAt(head, order, runs.data(), static_cast<int>(runs.size()),
                                      index, grid.tile_queries);
        ASSERT_GE(tile.run, 0);
        ASSERT_LE(tile.count, grid.tile_queries);
        const RowRun& run = runs[static_cast<size_t>(tile.run)];
        for (int q = 0; q < tile.count; ++q) {
          const int row = tile.first + q * tile.stride;
          ASSERT_LT(row, run.rows);
          ++times[static_cast<size_t>(run.first_row) + static_cast<size_t>(row)];
        }
      }
      EXPECT_THAT(times, Each(1)) << Describe(pattern);
      EXPECT_EQ(TileAt(head, order, runs.data(), 4, grid.tiles, grid.tile_queries).run, -1);
    }
  }
}

TEST(QueryTilesTest, SpansNeverFallWithinATile) {
  for (const AttentionPattern& pattern : PatternsOfEveryKind(kSpans)) {
    const HeadRows head = HeadRows::Of(pattern);
    for (const QueryOrder order : kOrders) {
      if (!TakesQueries(head, order)) continue;
      const int stride = order == QueryOrder::kColumns ? head.period : 1;
      for (int query = 0; query < 220; ++query) {
        for (int s = 0; s < kMaxSpans; ++s) {
          const KeySpan before = SpanOf(head, order, s, query);
          const KeySpan after = SpanOf(head, order, s, query + stride);
          ASSERT_EQ(before.axis, after.axis);
          ASSERT_LE(before.begin, after.begin) << Describe(pattern) << ", query " << query;
          ASSERT_LE(before.end, after.end) << Describe(pattern) << ", query " << query;
        }
      }
    }
  }
}

TEST(QueryTilesTest, LongColumnsShareTheirKeys) {
  const HeadRows strided =
      HeadRows::Of(*AttentionPattern::Create({.kind = PatternKind::kStrided, .stride = 8}));
  const std::vector<RowRun> short_run = {{0, 0, 0, 8 * 16}};
  const std::vector<RowRun> long_run = {{0, 0, 0, 8 * 17}};
  EXPECT_EQ(PlanAttention({&strided, 1}, short_run).columns.tile_queries, 16);
  EXPECT_EQ(PlanAttention({&strided, 1}, short_run).columns.tiles, 8);
  EXPECT_EQ(PlanAttention({&strided, 1}, long_run).columns.tile_queries, 32);
  EXPECT_EQ(PlanAttention({&strided, 1}, long_run).columns.tiles, 8);
}

// A head's cache, row by row: which position each holds. Runs prefill's reads and writes.
class SimulatedHead {
 public:
  SimulatedHead(const AttentionPattern& pattern, int length)
      : head_(HeadRows::Of(pattern)), length_(length) {}

  void Prefill(int first, int rows) {
    const RowRun run = {0, first, 0, rows};
    const AttentionGrids grids = PlanAttention({&head_, 1}, {&run, 1});
    for (const QueryOrder order : kOrders) {
      const QueryGrid grid = order == QueryOrder::kColumns ? grids.columns : grids.consecutive;
      for (int index = 0; index < grid.tiles; ++index) {
        const QueryTile tile = TileAt(head_, order, &run, 1, index, grid.tile_queries);
        if (tile.count > 0) ReadTile(run, order, tile);
      }
    }
    Store(run);
  }

 private:
  // All that a block copies: from the least key of its queries to the largest.
  void ReadTile(const RowRun& run, QueryOrder order, const QueryTile& tile) const {
    const int first = run.first_position + tile.first;
    const int last = first + (tile.count - 1) * tile.stride;
    for (int s = 0; s < kMaxSpans; ++s) {
      const KeySpan span = SpanOf(head_, order, s, first);
      const int end = SpanOf(head_, order, s, last).end;
      for (int key = span.begin; key < end; ++key) {
        const int residue = first % head_.period;
        const int position = PositionOf(head_, span.axis, residue, key);
        ASSERT_LT(position, run.first_position + run.rows);
        if (position >= run.first_position) continue;
        const auto held = cache_.find(CacheRowOf(head_, span.axis, residue, key, length_));
        ASSERT_NE(held, cache_.end()) << "position " << position << " is in no row";
        ASSERT_EQ(held->second, position);
      }
    }
  }

  void Store(const RowRun& run) {
    std::map<int, int> written;
    const int end = run.first_position + run.rows;
    for (int position = run.first_position; position < end; ++position) {
      for (const int home :
           {HomeAfter(head_, position, end, length_), head_.SecondHome(position, length_)}) {
        if (home < 0) continue;
        ASSERT_LT(home, head_.Rows(length_));
        ASSERT_TRUE(written.emplace(home, position).second) << "two positions in row " << home;
      }
    }
    for (const auto& [row, position] : written) cache_[row] = position;
    // What a decode step at the next position reads must be there.
    for (int k = 0; end < length_ && k < head_.KeyCount(end); ++k) {
      const int row = head_.KeyRow(end, k, length_);
      if (row == head_.Home(end, length_) || row == head_.SecondHome(end, length_)) continue;
      ASSERT_TRUE(cache_.contains(row)) << "row " << row << " for query " << end;
    }
  }

  HeadRows head_;
  int length_;
  std::map<int, int> cache_;
};

TEST(PrefillCutsTest, EveryKeyIsInTheCallOrInTheCacheHoweverAPromptIsCut) {
  std::minstd_rand random(1);
  for (const AttentionPattern& pattern : PatternsOfEveryKind(kSpans)) {
    for (const int length : {5, 48, 213}) {
      for (int attempt = 0; attempt < 6; ++attempt) {
        SCOPED_TRACE(absl::StrCat(Describe(pattern), ", N ", length, ", attempt ", attempt));
        SimulatedHead head(pattern, length);
        const int most = attempt == 0 ? 1 : attempt == 1 ? length : 1 + attempt * 30;
        for (int first = 0; first < length;) {
          const int wanted = attempt < 2 ? most : 1 + static_cast<int>(random() % most);
          const int rows = std::min(wanted, length - first);
          head.Prefill(first, rows);
          if (HasFatalFailure()) return;
          first += rows;
        }
      }
    }
  }
}

}  // namespace
}  // namespace strided::cuda
