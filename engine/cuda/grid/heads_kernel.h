// All layers of a decode step of one row as one kernel, a cluster of blocks to every 64 values.
//
// Takes the place of grid_kernel.h's where there is one row: with its bits. Attention stays within
// clusters, and what of the MLP is between its matrices; they exchange through distributed shared
// memory. Two exchanges a layer go through the second-level cache, where the other kernel has five
// or six. Embeds the row, too.

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_KERNEL_H_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_KERNEL_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/grid_sizes.h"
#include "engine/model/weight_format.h"

namespace strided::cuda::grid {

// Whether there is such a kernel, of 16 or 8 bits, and the current device runs its blocks all at
// once. Internal where CUDA does not answer.
absl::StatusOr<bool> RunsHeads(const Widths& widths, WeightFormat format);

// One kernel, after the one before it in `stream`; all blocks start at once or not at all.
// Requires RunsHeads, one row and TakesHeads' chunks.
absl::Status LaunchHeads(const Widths& widths, WeightFormat format, const GridArguments& arguments,
                         cudaStream_t stream);

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_KERNEL_H_
