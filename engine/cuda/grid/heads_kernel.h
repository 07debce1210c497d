// All layers of a decode step of up to 8 rows as one kernel, a cluster of blocks to every 64
// values.
//
// Gives the bits of the kernels of each layer (decode_product.h, decode_attention.h). Attention
// stays within clusters, and what of the MLP is between its matrices; they exchange through
// distributed shared memory. Two exchanges a layer go through the second-level cache. Embeds the
// rows, too. One row has a kernel of its own, more have those of rows_kernel.h. Bound by the chain
// of exchanges.

#ifndef STRIDED_ENGINE_CUDA_GRID_HEADS_KERNEL_H_
#define STRIDED_ENGINE_CUDA_GRID_HEADS_KERNEL_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/grid/grid_arguments.h"
#include "engine/cuda/grid/grid_sizes.h"
#include "engine/model/weight_format.h"

namespace strided::cuda::grid {

// Whether there are such kernels, of 16 or 8 bits, and the current device runs the blocks of each
// all at once. Internal where CUDA does not answer.
absl::StatusOr<bool> RunsHeads(const Widths& widths, WeightFormat format);

// One kernel, after the one before it in `stream`; all blocks start at once or not at all.
// Requires RunsHeads and TakesHeads. Cells and tags are those of steps of as many RowsOfKernel;
// cells of several rows hold kEmptyWord before the first.
absl::Status LaunchHeads(const Widths& widths, WeightFormat format, const GridArguments& arguments,
                         cudaStream_t stream);

// Internal, naming the warp, where a wait has been given up; then the step's results mean nothing.
absl::Status StatusOfErrorWord(int32_t word);

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_HEADS_KERNEL_H_
