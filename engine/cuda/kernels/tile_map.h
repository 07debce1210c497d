// Matrices in device memory as the hardware copies tiles of them (CUDA driver API,
// cuTensorMapEncode). Maps are passed to kernels by value.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_TILE_MAP_H_
#define STRIDED_ENGINE_CUDA_KERNELS_TILE_MAP_H_

#include <cuda.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/model/weight_format.h"

namespace strided::cuda {

inline constexpr int kTileRowBytes = 128;

// Rows of which a tile has kTileRowBytes of tile_rows rows.
struct RowMapSpec {
  const std::byte* rows = nullptr;  // in device memory
  Operand operand = Operand::kBfloat16;
  int columns = 0;
  int row_count = 0;
  int64_t stride = 0;  // elements from row to row
  int tile_rows = 0;   // at most 256
};

// Whether rows may be mapped: they start at multiples of 16 bytes.
bool HasRowMap(const std::byte* rows, int64_t stride, Operand operand);

// A map whose tiles arrive as warpgroup products read them (ColumnsAt in warpgroup.cuh): rows of
// 128 bytes, their 16-byte parts exchanged by part ^ row % 8; and are written from the same form.
// Requires HasRowMap. Internal where the driver has no such maps or refuses this one.
absl::StatusOr<CUtensorMap> MapRows(const RowMapSpec& spec);

// The same of rows that lie `step` rows apart. Coordinates: column, and of the tile's first row its
// number mod `step` and by `step`; zeros beyond row_count / step whole steps. Requires at least
// one.
absl::StatusOr<CUtensorMap> MapRowsApart(const RowMapSpec& spec, int step);

// A packed matrix (weight_packing.h), of which a tile has kStepQuantum steps of `tiles` packed
// tiles, as they are packed, zeros beyond the last. Coordinates: 0, step over the steps of 16
// bytes of a lane, packed tile. Errors as MapRows.
absl::StatusOr<CUtensorMap> MapWeights(const DeviceMatrix& matrix, WeightFormat format, int tiles);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_TILE_MAP_H_
