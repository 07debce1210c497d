// Rows in device memory as the hardware copies tiles of them (CUDA driver API, cuTensorMapEncode).

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ROW_MAP_H_
#define STRIDED_ENGINE_CUDA_KERNELS_ROW_MAP_H_

#include <cuda.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

// Rows of 16-bit operands, of which a tile has 64 columns of tile_rows rows.
struct RowMapSpec {
  const std::byte* rows = nullptr;  // in device memory, aligned to 16 bytes
  Operand operand = Operand::kBfloat16;
  int columns = 0;
  int row_count = 0;
  int64_t stride = 0;  // elements from row to row; a multiple of 8
  int tile_rows = 0;   // at most 256
};

// A map whose tiles arrive as warpgroup products read them (ColumnsAt in warpgroup.cuh): rows of
// 128 bytes, their 16-byte parts exchanged by part ^ row % 8. To be passed to a kernel by value.
// Internal where the driver has no such maps or refuses this one.
absl::StatusOr<CUtensorMap> MapRows(const RowMapSpec& spec);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ROW_MAP_H_
