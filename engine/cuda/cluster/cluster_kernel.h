// Whole decode steps by clusters of blocks: one kernel, many steps a launch, no other kernel's
// help.
//
// A cluster of 16 blocks runs the whole network for its own groups of sequences; clusters know
// nothing of each other. Which rows stand together, how many groups a cluster has and how many
// steps a launch does not change a bit: sequences are columns of the products, and every sum's
// order follows from the shape alone. Needs sm_90. Bound, at few rows, by the chain of exchanges
// between the blocks: five a layer; at many by reading keys and values.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_KERNEL_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_KERNEL_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/cluster/cluster_sizes.h"
#include "engine/cuda/cluster/step_arguments.h"

namespace strided::cuda::cluster {

// How many clusters the current device runs at once; 0 where it cannot. Requires a shape that
// VisitSizes has. Internal where the device fails.
absl::StatusOr<int> ClustersAtOnce(const Shape& shape);

// Runs the steps on `arguments.clusters` clusters; those beyond what runs at once take their turns.
// Requires as above, and rows whose steps_left is at least `arguments.steps`.
absl::Status LaunchClusterSteps(const Shape& shape, const StepArguments& arguments,
                                cudaStream_t stream);

// What a launch's error word says, once it has ended: Internal where a warp has waited in vain.
absl::Status StatusOfErrorWord(int32_t word);

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_KERNEL_H_
