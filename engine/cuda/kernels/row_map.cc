#include "engine/cuda/kernels/row_map.h"

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cuda_status.h"

namespace strided::cuda {
namespace {

constexpr cuuint32_t kTileColumns = 64;
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

}  // namespace

absl::StatusOr<CUtensorMap> MapRows(const RowMapSpec& spec) {
  static const auto encode = FindEncode();
  RETURN_IF_ERROR(encode.status());
  const cuuint64_t sizes[2] = {static_cast<cuuint64_t>(spec.columns),
                               static_cast<cuuint64_t>(spec.row_count)};
  const cuuint64_t strides[1] = {static_cast<cuuint64_t>(spec.stride) * 2};  // bytes
  const cuuint32_t tile[2] = {kTileColumns, static_cast<cuuint32_t>(spec.tile_rows)};
  const cuuint32_t steps[2] = {1, 1};
  CUtensorMap map = {};
  const CUresult result =
      (*encode)(&map,
                spec.operand == Operand::kFloat16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                  : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
                2, const_cast<std::byte*>(spec.rows), sizes, strides, tile, steps,
                CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    return absl::InternalError(absl::StrCat("a map of ", spec.row_count, " rows of ", spec.columns,
                                            " columns: driver error ", static_cast<int>(result)));
  }
  return map;
}

}  // namespace strided::cuda
