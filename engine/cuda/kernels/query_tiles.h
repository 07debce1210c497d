// Which queries a block of prefill attention takes.
//
// A run's queries are cut into tiles of the same number, in the head's order: consecutive ones, or
// those of one residue mod l. What a query gives does not depend on its tile. Host and device
// arithmetic.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_QUERY_TILES_H_
#define STRIDED_ENGINE_CUDA_KERNELS_QUERY_TILES_H_

#include <cstdint>

#include "engine/cuda/kernels/key_spans.h"
#include "engine/cuda/kernels/prefill_rows.h"

namespace strided::cuda {

// Queries first, first + stride, ... of a run; counted in rows from the run's first.
struct QueryTile {
  int run = 0;  // -1: no such tile
  int first = 0;
  int stride = 1;
  int count = 0;  // may be 0: a column shorter than the longest
};

// Columns of a run of so many rows; 1 where queries are consecutive.
STRIDED_HOST_DEVICE int ColumnsOf(const HeadRows& head, QueryOrder order, int rows) {
  return order == QueryOrder::kColumns ? HeadRows::Least(head.period, rows) : 1;
}

// x / columns, where these are ColumnsOf's: mostly 1 or the period.
STRIDED_HOST_DEVICE int DivideByColumns(const HeadRows& head, int columns, int x) {
  if (columns == 1) return x;
  return columns == head.period ? head.by_period.Divide(x) : x / columns;
}

// Tiles of each of a run's columns.
STRIDED_HOST_DEVICE int TilesOfColumn(const HeadRows& head, QueryOrder order, int rows,
                                      int tile_queries) {
  const int columns = ColumnsOf(head, order, rows);
  return HeadRows::CeilDivide(DivideByColumns(head, columns, rows + columns - 1), tile_queries);
}

// Tiles of a run.
STRIDED_HOST_DEVICE int TilesOfRun(const HeadRows& head, QueryOrder order, int rows,
                                   int tile_queries) {
  return ColumnsOf(head, order, rows) * TilesOfColumn(head, order, rows, tile_queries);
}

// Tile `index` of all runs' tiles. Those of late queries, which read most, come first.
STRIDED_HOST_DEVICE QueryTile TileAt(const HeadRows& head, QueryOrder order, const RowRun* runs,
                                     int run_count, int index, int tile_queries) {
  for (int run = 0; run < run_count; ++run) {
    const int rows = runs[run].rows;
    const int tiles = TilesOfRun(head, order, rows, tile_queries);
    if (index >= tiles) {
      index -= tiles;
      continue;
    }
    const int columns = ColumnsOf(head, order, rows);
    const int above = DivideByColumns(head, columns, index);
    const int column = index - above * columns;
    const int in_column = DivideByColumns(head, columns, tiles) - 1 - above;
    QueryTile tile;
    tile.run = run;
    tile.stride = order == QueryOrder::kColumns ? head.period : 1;
    tile.first = column + in_column * tile_queries * tile.stride;
    if (tile.first < rows) {
      const int left = rows - tile.first;
      const int queries =
          order == QueryOrder::kColumns ? head.by_period.Divide(left + head.period - 1) : left;
      tile.count = HeadRows::Least(queries, tile_queries);
    }
    return tile;
  }
  return {.run = -1};
}

// Blocks of a launch: blockIdx.x counts tiles, of the head with most of them.
struct QueryGrid {
  int tiles = 0;         // 0: no head takes its queries in this order
  int tile_queries = 0;  // a multiple of 16
  // Of all heads, where they have one pattern; kernels then need not look it up.
  bool is_one_pattern = false;
  HeadRows pattern;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_QUERY_TILES_H_
