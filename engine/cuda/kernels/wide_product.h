// y = W x for many rows x at once: the products of prefill.
//
// A row's outputs depend on that row alone, bit for bit: each is one float32 sum over the inputs,
// step by step of 16 (float32 weights: one by one), whatever the number of rows and the tile.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_H_
#define STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/kernels/wide_tile.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"

namespace strided::cuda {

// What becomes of y = scale * sum + bias.
enum class WideOutput {
  kOperand,    // stored in the operand's type
  kActivated,  // f(y), stored in the operand's type
  kResidual,   // added to float32 rows
  kFloat32,    // stored as it is
};

struct WideProduct {
  DeviceMatrix matrix;
  // [rows][in_stride], in the operand's type of the matrix's format. Readable up to whole steps
  // (PackedSteps), and finite beyond the matrix's inputs. Aligned to 16 bytes, rows too.
  const std::byte* in = nullptr;
  int64_t in_stride = 0;     // elements
  std::byte* out = nullptr;  // [rows][out_stride]; nothing is written beyond the matrix's outputs
  int64_t out_stride = 0;    // elements; even where the operand's type is stored
  int rows = 0;              // at least 1
  WideOutput output = WideOutput::kOperand;
  Activation activation = Activation::kQuickGelu;
};

// Launches the product on `stream`; `dependent` as in launch.h. `tile` overrides the choice of
// ChooseWideTile, for tests and measurements; float32 has one tile of its own. InvalidArgument for
// kStreamed where results cannot be streamed (streamed_product.h).
absl::Status LaunchWideProduct(const WideProduct& product, WeightFormat format, bool dependent,
                               cudaStream_t stream, std::optional<WideTile> tile = std::nullopt);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_WIDE_PRODUCT_H_
