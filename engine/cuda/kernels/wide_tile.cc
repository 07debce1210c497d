#include "engine/cuda/kernels/wide_tile.h"

#include <cstddef>
#include <initializer_list>

namespace strided::cuda {
namespace {

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// What a multiprocessor reaches with tiles of one size, as a share of the best block tile: small
// ones move more bytes for each multiplication, and one alone waits where others would work.
struct TileRates {
  int tiles = 0;         // that a multiprocessor works on at a time
  double rates[4] = {};  // with 1, 2, ... of them
};

TileRates RatesOf(WideTile tile) {
  switch (tile) {
    case WideTile::kLarge:
      return {1, {0.95}};
    case WideTile::kMedium:
      return {2, {0.65, 1.0}};
    case WideTile::kStreamed:
      return {1, {1.4}};
    default:
      return {3, {0.3, 0.5, 0.6}};
  }
}

}  // namespace

int64_t TilesOf(WideTile tile, int outputs, int rows) {
  const WideTileSize size = SizeOf(tile);
  return CeilDivide(outputs, size.outputs) * CeilDivide(rows, size.rows);
}

WideTile ChooseWideTile(int outputs, int rows, int multiprocessors, bool may_stream) {
  // The busiest multiprocessor ends last; an equal time goes to the larger tile.
  const auto time = [&](WideTile tile) {
    const WideTileSize size = SizeOf(tile);
    const TileRates rates = RatesOf(tile);
    const int64_t busiest = CeilDivide(TilesOf(tile, outputs, rows), multiprocessors);
    const int64_t rest = busiest % rates.tiles;  // run together, fewer than there is room for
    const auto full = static_cast<double>(busiest - rest);
    const double last =
        rest == 0 ? 0 : static_cast<double>(rest) / rates.rates[static_cast<size_t>(rest - 1)];
    const double most = rates.rates[static_cast<size_t>(rates.tiles - 1)];
    return (full / most + last) * (size.outputs * size.rows);
  };
  WideTile best = WideTile::kLarge;
  for (const WideTile tile : {WideTile::kMedium, WideTile::kSmall}) {
    if (time(tile) < time(best)) best = tile;
  }
  if (may_stream && time(WideTile::kStreamed) < time(best)) best = WideTile::kStreamed;
  return best;
}

}  // namespace strided::cuda
