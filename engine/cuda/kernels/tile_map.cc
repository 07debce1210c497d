#include "engine/cuda/kernels/tile_map.h"

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cuda_status.h"
#include "engine/cuda/kernels/weight_packing.h"

namespace strided::cuda {
namespace {

constexpr unsigned kSinceVersion = 12000;

// The driver's function, found by name: the program is not linked to the driver.
absl::StatusOr<decltype(&cuTensorMapEncodeTiled)> FindEncode() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = {};
  RETURN_IF_ERROR(
      CudaError(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, kSinceVersion,
                                                 cudaEnableDefault, &found),
                "looking for maps of tiles"));
  if (found != cudaDriverEntryPointSuccess) {
    return absl::InternalError("the driver has no maps of tiles");
  }
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
}

CUtensorMapDataType TypeOf(Operand operand) {
  switch (operand) {
    case Operand::kFloat32:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
    case Operand::kFloat16:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
    default:
      return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  }
}

template <int kDimensions>
struct Tiling {
  CUtensorMapDataType type;
  const std::byte* from;
  cuuint64_t sizes[kDimensions];        // elements, the contiguous ones first
  cuuint64_t strides[kDimensions - 1];  // bytes
  cuuint32_t tile[kDimensions];         // elements
  CUtensorMapSwizzle exchange;
};

template <int kDimensions>
absl::StatusOr<CUtensorMap> Encode(const Tiling<kDimensions>& tiling) {
  static const auto kEncode = FindEncode();
  RETURN_IF_ERROR(kEncode.status());
  constexpr cuuint32_t kSteps[3] = {1, 1, 1};
  CUtensorMap map = {};
  const CUresult result = (*kEncode)(
      &map, tiling.type, kDimensions, const_cast<std::byte*>(tiling.from), tiling.sizes,
      tiling.strides, tiling.tile, kSteps, CU_TENSOR_MAP_INTERLEAVE_NONE, tiling.exchange,
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    return absl::InternalError(absl::StrCat("a map of ", tiling.sizes[1], " rows of ",
                                            tiling.sizes[0], " elements: driver error ",
                                            static_cast<int>(result)));
  }
  return map;
}

}  // namespace

bool HasRowMap(const std::byte* rows, int64_t stride, Operand operand) {
  constexpr int64_t kAlignment = 16;
  return reinterpret_cast<uintptr_t>(rows) % kAlignment == 0 &&
         stride * OperandBytes(operand) % kAlignment == 0;
}

absl::StatusOr<CUtensorMap> MapRows(const RowMapSpec& spec) {
  const auto bytes = static_cast<cuuint64_t>(OperandBytes(spec.operand));
  return Encode<2>(
      {.type = TypeOf(spec.operand),
       .from = spec.rows,
       .sizes = {static_cast<cuuint64_t>(spec.columns), static_cast<cuuint64_t>(spec.row_count)},
       .strides = {static_cast<cuuint64_t>(spec.stride) * bytes},
       .tile = {static_cast<cuuint32_t>(kTileRowBytes / bytes),
                static_cast<cuuint32_t>(spec.tile_rows)},
       .exchange = CU_TENSOR_MAP_SWIZZLE_128B});
}

absl::StatusOr<CUtensorMap> MapRowsApart(const RowMapSpec& spec, int step) {
  const auto bytes = static_cast<cuuint64_t>(OperandBytes(spec.operand));
  const auto row_bytes = static_cast<cuuint64_t>(spec.stride) * bytes;
  const auto rows_apart = static_cast<cuuint64_t>(step);
  return Encode<3>({.type = TypeOf(spec.operand),
                    .from = spec.rows,
                    .sizes = {static_cast<cuuint64_t>(spec.columns), rows_apart,
                              static_cast<cuuint64_t>(spec.row_count / step)},
                    .strides = {row_bytes, row_bytes * rows_apart},
                    .tile = {static_cast<cuuint32_t>(kTileRowBytes / bytes), 1,
                             static_cast<cuuint32_t>(spec.tile_rows)},
                    .exchange = CU_TENSOR_MAP_SWIZZLE_128B});
}

absl::StatusOr<CUtensorMap> MapWeights(const DeviceMatrix& matrix, WeightFormat format, int tiles) {
  constexpr cuuint64_t kUnitBytes = 512;  // of a warp: 16 of each lane
  const bool narrow = format == WeightFormat::kInt8 || format == WeightFormat::kFloat8;
  const int unit_steps = narrow ? 2 : 1;
  const auto units = static_cast<cuuint64_t>(PackedSteps(matrix.inputs) / unit_steps);
  return Encode<3>(
      {.type = CU_TENSOR_MAP_DATA_TYPE_UINT16,
       .from = matrix.weights,
       .sizes = {kUnitBytes / 2, units, static_cast<cuuint64_t>(PackedTiles(matrix.outputs))},
       .strides = {kUnitBytes, units * kUnitBytes},
       .tile = {kUnitBytes / 2, static_cast<cuuint32_t>(kStepQuantum / unit_steps),
                static_cast<cuuint32_t>(tiles)},
       .exchange = CU_TENSOR_MAP_SWIZZLE_NONE});
}

}  // namespace strided::cuda
