// Whether a network decodes by clusters, and how a step's rows are dealt to them. Pure functions.
//
// The first is decided by the network and the device alone, never by the load: the bits of a result
// depend on it. The second may follow the load: no bit depends on it.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_CHOICE_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_CHOICE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "engine/cache/cache_format.h"
#include "engine/cuda/cluster/cluster_sizes.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"

namespace strided::cuda::cluster {

// The kernel's shape for the network. Unimplemented, with the reason, where there is none: the
// graph path takes every network. `compute_major`: of the device's compute capability.
absl::StatusOr<Shape> ChooseShape(const ModelConfig& config, WeightFormat format,
                                  CacheFormat caches, int compute_major);

// Whether the shape's kernel has been measured to be faster than graphs, from 1 row to 256
// (README.md): what a choice that is left to us takes.
bool IsFasterThanGraphs(const Shape& shape);

// How many groups a cluster of the shape's kernel takes at most: what fits shared memory beside the
// weights that are under way. Requires a shape that VisitSizes has.
int MostGroups(const Shape& shape);

// Bytes of global memory that a group's operands take on their way to all blocks. Requires the
// same.
int64_t ExchangeBytes(const Shape& shape);

// A launch's clusters: group g of cluster c has the rows from (g * clusters + c) * group_rows on.
struct Deal {
  int clusters = 0;
  int groups = 0;      // of a cluster, at most
  int group_rows = 0;  // of a group, at most: 1 to kColumns

  bool operator==(const Deal&) const = default;
};

// Deals `rows` rows, at least 1, where `at_once` clusters of up to `most_groups` groups, both at
// least 1, run at once. As few turns as can be, then groups, since each takes its share of time
// however few rows it has; then as few rows a group.
Deal DealRows(int rows, int at_once, int most_groups);

// clusters * groups of a Deal of up to `rows` rows, at most. Requires the same.
int MostGroupsDealt(int rows, int at_once, int most_groups);

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_CLUSTER_CHOICE_H_
