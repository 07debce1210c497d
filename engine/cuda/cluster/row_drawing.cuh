// From a sequence's logits to its next token, by the product warps of one block of the cluster:
// kernels/row_sampler.h, as the graph path's last kernel does it. Block 2 c + g of the 16 draws for
// column c of group g.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_ROW_DRAWING_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_ROW_DRAWING_CUH_

#include <cstdint>

#include "engine/cuda/cluster/cluster_sizes.h"
#include "engine/cuda/cluster/step_arguments.h"
#include "engine/cuda/kernels/cluster_exchange.cuh"
#include "engine/cuda/kernels/device_block.cuh"
#include "engine/cuda/kernels/history.cuh"
#include "engine/cuda/kernels/row_step.cuh"

namespace strided::cuda::cluster {

__device__ __forceinline__ int DrawingBlock(int column, int group) {
  return (2 * column + group) % kBlocks;
}
// The column of the group that block `rank` draws for; kColumns: none.
__device__ __forceinline__ int DrawnColumn(int rank, int group) {
  const int twice = (rank - group + kBlocks) % kBlocks;
  return twice % 2 == 0 ? twice / 2 : kColumns;
}

// A team of product warps, as DeviceBlockOf wants them.
template <int kWarps>
struct TeamThreads {
  int team = 0;  // of the block
  __device__ int Thread() const { return static_cast<int>(threadIdx.x) % Threads(); }
  static constexpr __host__ __device__ int Threads() { return 32 * kWarps; }
  __device__ void Sync() const {
    if constexpr (kWarps == 1) {
      __syncwarp();
    } else {
      SyncThreads(1 + team, Threads());  // 0 is all threads' barrier
    }
  }
};

// Scratch of DrawRow, in shared memory.
template <class Threads>
struct DrawingScratch {
  typename DeviceBlockOf<Threads>::Shared block;
  float adjusted[kMaxVocab];
};

// Where a drawn token is awaited: a place of every block of the cluster.
struct TokenPlace {
  uint32_t place = 0;  // address in this block
  uint32_t barrier = 0;
  bool awaited = false;  // false: the launch ends with this step

  __device__ __forceinline__ void Send(int thread, int32_t token) const {
    if (!awaited || thread >= kBlocks) return;
    cluster::Send(AddressIn(place, thread), static_cast<uint32_t>(token),
                  AddressIn(barrier, thread));
  }
};

// Draws for a step of the row, the `at`-th of the launch; by all product warps of a team. Sends
// the token, and writes the result to its entry. Returns the token, -1 where none was asked for.
template <class Threads>
__device__ __noinline__ int32_t DrawRow(const StepArguments& a, DecodeRow row, int at,
                                        const float* logits, DrawingScratch<Threads>& scratch,
                                        Threads threads, TokenPlace place) {
  const DeviceSampler& parameters = a.sequences[row.slot].sampler;
  const DrawStart start = StartOf(parameters, row.position);
  // Before the draw that may need it; its way to memory is long.
  const bool observes_first = start.adjusts;
  if (observes_first) {
    if (threads.Thread() == 0) ObserveInput(row, a.sequences);
    threads.Sync();
  }
  const int64_t entry = static_cast<int64_t>(row.step) * a.max_rows + at;
  RowResult result;
  if (row.output != kWantsNothing) {
    DeviceBlockOf<Threads> block(scratch.block, threads);
    RowSampler sampler(block, logits, a.vocab_size, scratch.adjusted);
    const int32_t token = TokenOf(sampler, row, parameters, start);
    const bool reports = parameters.top_logprobs > 0 && a.top_stride > 0;
    if (reports) {
      const int64_t first = entry * a.top_stride;
      sampler.ReportTop(parameters.top_logprobs, a.top_ids + first, a.top_values + first);
    }
    // With the token other blocks go on, and write where the scratch is.
    FenceAsync();
    threads.Sync();
    place.Send(threads.Thread(), token);
    result = ResultOf(sampler, token);
  }
  if (threads.Thread() == 0) {
    a.results[entry] = result;
    if (!observes_first) ObserveInput(row, a.sequences);
  }
  return result.token;
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_ROW_DRAWING_CUH_
