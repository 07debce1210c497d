// In which tiles a product of many rows is computed. Host arithmetic only.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_WIDE_TILE_H_
#define STRIDED_ENGINE_CUDA_KERNELS_WIDE_TILE_H_

#include <cstdint>

namespace strided::cuda {

// Every output's sum has the same order in each of them. kStreamed: streamed_product.h.
enum class WideTile { kLarge, kMedium, kSmall, kStreamed };

struct WideTileSize {
  int outputs = 0;
  int rows = 0;
};

constexpr WideTileSize SizeOf(WideTile tile) {
  switch (tile) {
    case WideTile::kLarge:
      return {256, 128};
    case WideTile::kMedium:
      return {128, 128};
    case WideTile::kStreamed:
      return {256, 192};
    default:
      return {64, 64};
  }
}

// Tiles of a product.
int64_t TilesOf(WideTile tile, int outputs, int rows);

// The tile that should end first on a device of so many multiprocessors; kStreamed where
// `may_stream`.
WideTile ChooseWideTile(int outputs, int rows, int multiprocessors, bool may_stream = false);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_WIDE_TILE_H_
