// Whether a network decodes by clusters, and how a step's rows are dealt to them. Pure functions.
//
// The first is decided by the network and the device alone, never by the load: the bits of a result
// depend on it. The second may follow the load: no bit depends on it.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_CHOICE_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_CHOICE_H_

#include <string>

#include "absl/status/statusor.h"
#include "engine/cuda/cluster/cluster_sizes.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"

namespace strided::cuda::cluster {

// The kernel's shape for the network. Unimplemented, with the reason, where there is none: the
// graph path takes every network. `compute_major`: of the device's compute capability.
absl::StatusOr<Shape> ChooseShape(const ModelConfig& config, WeightFormat format,
                                  int compute_major);

// Whether the shape's kernel has been measured to be faster than graphs, from 1 row to 256
// (README.md): what a choice that is left to us takes.
bool IsFasterThanGraphs(const Shape& shape);

// A launch's clusters, each with a group of at most `group_rows` rows.
struct Deal {
  int clusters = 0;
  int group_rows = 0;  // 1 to kColumns

  bool operator==(const Deal&) const = default;
};

// Deals `rows` rows, at least 1, where `at_once` clusters, at least 1, run at once. More than these
// take their turns, so their number is a multiple of it where the rows fill it; and then as few
// rows a group as can be.
Deal DealRows(int rows, int at_once);

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_CHOICE_H_
