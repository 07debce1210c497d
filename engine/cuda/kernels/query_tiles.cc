#include "engine/cuda/kernels/query_tiles.h"

#include <algorithm>
#include <span>

#include "engine/cuda/kernels/prefill_attention.h"

namespace strided::cuda {
namespace {

constexpr int kLeastQueries = 16;  // of a tile: one warp's
constexpr int kMostQueries = 128;
constexpr int kMaxTensorWidth = 256;

// How many queries share a tile of keys with profit: few of those with short spans.
int MostQueriesOf(const HeadRows& head) {
  const bool reads_far = head.kind == PatternKind::kDense || head.kind == PatternKind::kSummary ||
                         head.kind == PatternKind::kFixed;
  return reads_far ? kMostQueries : kMostQueries / 2;
}

bool AreAlike(const HeadRows& a, const HeadRows& b) {
  return a.kind == b.kind && a.period == b.period && a.cells == b.cells && a.offset == b.offset;
}

QueryGrid PlanOrder(std::span<const HeadRows> heads, std::span<const RowRun> runs,
                    QueryOrder order) {
  QueryGrid grid;
  int most = 0;
  int longest = 0;  // column
  for (const HeadRows& head : heads) {
    if (!TakesQueries(head, order)) continue;
    most = std::max(most, MostQueriesOf(head));
    for (const RowRun& run : runs) {
      longest = std::max(longest, HeadRows::CeilDivide(run.rows, ColumnsOf(head, order, run.rows)));
    }
  }
  grid.pattern = heads.front();
  grid.is_one_pattern = std::all_of(heads.begin(), heads.end(), [&](const HeadRows& head) {
    return AreAlike(head, grid.pattern);
  });
  grid.tile_queries = kLeastQueries;
  while (grid.tile_queries < std::min(longest, most)) grid.tile_queries *= 2;
  for (const HeadRows& head : heads) {
    if (!TakesQueries(head, order)) continue;
    int tiles = 0;
    for (const RowRun& run : runs) tiles += TilesOfRun(head, order, run.rows, grid.tile_queries);
    grid.tiles = std::max(grid.tiles, tiles);
  }
  return grid;
}

}  // namespace

AttentionGrids PlanAttention(std::span<const HeadRows> heads, std::span<const RowRun> runs) {
  return {PlanOrder(heads, runs, QueryOrder::kColumns),
          PlanOrder(heads, runs, QueryOrder::kConsecutive)};
}

bool HasTensorAttention(Operand operand, int d_key, int d_value) {
  return operand != Operand::kFloat32 && d_key <= kMaxTensorWidth && d_value <= kMaxTensorWidth;
}

}  // namespace strided::cuda
