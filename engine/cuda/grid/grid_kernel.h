// All layers of a decode step of few rows as one kernel over the whole device.
//
// Takes the place of the launches of every layer (decode_product.h, decode_attention.h and the
// kernels of halves), with their bits. Every multiprocessor has one block, each a part of every
// layer: weights and keys of the next layer are read while others work, what blocks tell each
// other goes through the second-level cache. Bound by the chain of exchanges, five a layer, six
// where a query has several chunks of keys.

#ifndef STRIDED_ENGINE_CUDA_GRID_GRID_KERNEL_H_
#define STRIDED_ENGINE_CUDA_GRID_GRID_KERNEL_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/grid_sizes.h"
#include "engine/model/weight_format.h"

namespace strided::cuda::grid {

// Whether the current device runs the kernel's blocks all at once. Requires a shape of VisitSizes
// and a format of 16 or 8 bits. Internal where CUDA does not answer.
absl::StatusOr<bool> RunsGrid(const Widths& widths, WeightFormat format);

// One kernel, after the one before it in `stream`: blocks all start at once or not at all, so
// neither another launch nor another model's can keep some of them waiting for the others.
// `arguments.roles` are set here. Requires RunsGrid.
absl::Status LaunchGrid(const Widths& widths, WeightFormat format, const GridArguments& arguments,
                        cudaStream_t stream);

// Internal, naming the warp, where a wait has been given up; then the step's results mean nothing.
absl::Status StatusOfErrorWord(int32_t word);

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_GRID_KERNEL_H_
