// What a launch of the cluster kernel works on. Pointers are into device memory.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_STEP_ARGUMENTS_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_STEP_ARGUMENTS_H_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/device_types.h"
#include "engine/model/config.h"

namespace strided::cuda::cluster {

struct StepArguments {
  // The network.
  const std::byte* weights = nullptr;  // cluster_packing.h
  DeviceTables tables;
  const HeadRows* heads = nullptr;  // [n_layer][heads]
  int n_layer = 0;
  int vocab_size = 0;
  Activation activation = Activation::kQuickGelu;
  float score_scale = 1;  // of products of queries and keys, times log2(e)
  float norm_epsilon = 0;
  float final_epsilon = 0;
  bool final_norm = true;

  // The rows: the first `count` run `steps` steps each, and are moved on by them.
  DecodeRow* rows = nullptr;
  const DeviceSequence* sequences = nullptr;  // by slot
  int count = 0;
  int steps = 0;
  // Group g of cluster c has the rows from (g * clusters + c) * group_rows on.
  int clusters = 0;
  int groups = 0;      // of a cluster
  int group_rows = 0;  // 1 to kColumns

  // As in SampleArguments: row r of step s has entry (row.step + s) * max_rows + r.
  RowResult* results = nullptr;
  int32_t* top_ids = nullptr;
  float* top_values = nullptr;
  int top_stride = 0;
  int max_rows = 0;

  std::byte* exchange = nullptr;  // [cluster][group], to_all_blocks.cuh

  int32_t* error = nullptr;  // 0; else ErrorWordOf a warp that has waited in vain
};

constexpr int32_t ErrorWordOf(int block, int warp) { return 1 + block * 32 + warp; }

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_STEP_ARGUMENTS_H_
