#include "engine/cuda/kernels/wide_tile.h"

#include <initializer_list>

namespace strided::cuda {
namespace {

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// What a multiprocessor reaches with tiles of this size, as a share of the best: small tiles move
// more bytes for each multiplication.
double RateOf(WideTile tile) {
  switch (tile) {
    case WideTile::kLarge:
      return 1.0;
    case WideTile::kMedium:
      return 0.95;
    default:
      return 0.6;
  }
}

}  // namespace

int64_t TilesOf(WideTile tile, int outputs, int rows) {
  const WideTileSize size = SizeOf(tile);
  return CeilDivide(outputs, size.outputs) * CeilDivide(rows, size.rows);
}

WideTile ChooseWideTile(int outputs, int rows, int multiprocessors) {
  // The busiest multiprocessor ends last; an equal time goes to the larger tile.
  const auto time = [&](WideTile tile) {
    const WideTileSize size = SizeOf(tile);
    const int64_t busiest = CeilDivide(TilesOf(tile, outputs, rows), multiprocessors);
    return static_cast<double>(busiest * size.outputs * size.rows) / RateOf(tile);
  };
  WideTile best = WideTile::kLarge;
  for (const WideTile tile : {WideTile::kMedium, WideTile::kSmall}) {
    if (time(tile) < time(best)) best = tile;
  }
  return best;
}

}  // namespace strided::cuda
