// The ring of weights, where there is no room for a layer's (layer_weights.cuh): one thread copies
// a block's chunks into it ahead of the products, in the order of cluster_packing.h; every group's
// product warps read them.
//
// A pass's chunks share a barrier that says when they are all there, and one that says when every
// product warp has read them; passes take the barriers in turn.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_WEIGHT_RING_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_WEIGHT_RING_CUH_

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/cluster/shared_memory.h"
#include "engine/cuda/cluster/step_arguments.h"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::cluster {

// A place in the order of passes.
struct PassNumber {
  uint32_t number = 0;

  __device__ __forceinline__ uint32_t Barrier(uint32_t first) const {
    return first + number % kPassBarriers * kBarrierBytes;
  }
  __device__ __forceinline__ uint32_t parity() const { return number / kPassBarriers % 2; }
};

// Where a product warp reads.
template <class S, int kSlots>
struct RingReader {
  uint32_t shared = 0;  // start of the block's shared memory
  uint32_t full = 0;    // barriers
  uint32_t empty = 0;
  PassNumber pass;
  int slot = 0;

  // Arguments as LayerReader's, and what it has for other places.
  __device__ RingReader(const StepArguments&, uint32_t shared, uint32_t full, uint32_t empty,
                        int /*warps*/)
      : shared(shared), full(full), empty(empty) {}
  __device__ void Start() const {}
  __device__ __forceinline__ void Enter(int /*step*/, int /*layer*/) const {}

  // For the weights of a pass of the stage.
  template <Stage kStage>
  __device__ __forceinline__ void Wait(BoundedWait& wait) {
    wait.For(pass.Barrier(full), pass.parity());
  }
  // The pass's chunk `index`.
  __device__ __forceinline__ uint32_t Chunk(int index) const {
    int at = slot + index;
    if (at >= kSlots) at -= kSlots;
    return shared + at * kChunkBytes;
  }
  // By every warp, to the next pass: when it has used what it has loaded of this one, for all
  // groups. Loads that others have asked for before a barrier may still wait in their queues after
  // it, for longer than a copy takes to come: so each warp speaks for itself.
  template <Stage kStage>
  __device__ __forceinline__ void Advance() {
    __syncwarp();
    if (threadIdx.x % 32 == 0) Arrive(pass.Barrier(empty));
    ++pass.number;
    slot += S::SizeOf(kStage).chunks_a_pass();
    if (slot >= kSlots) slot -= kSlots;
  }
};

// Walks through the passes of a launch.
template <class S>
struct PassWalk {
  PassNumber number;
  int layer = 0;
  int of_layer = 0;  // stage
  int of_stage = 0;  // pass

  __device__ __forceinline__ PassSize Size(int n_layer) const {
    return S::PassesOf(layer == n_layer ? Stage::kHead : static_cast<Stage>(of_layer));
  }
  __device__ __forceinline__ int Chunks(int n_layer) const { return Size(n_layer).chunks; }
  // Returns whether that was the last pass of a step.
  __device__ __forceinline__ bool Advance(int n_layer) {
    ++number.number;
    if (++of_stage < Size(n_layer).passes) return false;
    of_stage = 0;
    if (layer == n_layer) {
      layer = 0;
      return true;
    }
    if (++of_layer == kLayerStages) {
      of_layer = 0;
      ++layer;
    }
    return false;
  }
};

// The thread that fills the ring.
template <class S, int kSlots>
__device__ void FillRing(const StepArguments& a, uint32_t shared, uint32_t full, uint32_t empty,
                         BoundedWait wait) {
  const int64_t step_bytes = int64_t{S::StepChunks(a.n_layer)} * kChunkBytes;
  const std::byte* const stream = a.weights + RankInCluster() * step_bytes;
  PassWalk<S> filled;
  PassWalk<S> released;
  int free = kSlots;
  int slot = 0;
  for (int step = 0; step < a.steps; ++step) {
    const std::byte* from = stream;
    for (bool last = false; !last; last = filled.Advance(a.n_layer)) {
      const int chunks = filled.Chunks(a.n_layer);
      while (free < chunks || filled.number.number - released.number.number >= kPassBarriers) {
        wait.For(released.number.Barrier(empty), released.number.parity());
        free += released.Chunks(a.n_layer);
        released.Advance(a.n_layer);
      }
      free -= chunks;
      const uint32_t barrier = filled.number.Barrier(full);
      Expect(barrier, chunks * kChunkBytes);
      for (int chunk = 0; chunk < chunks; ++chunk) {
        CopyBulk(shared + slot * kChunkBytes, from, kChunkBytes, barrier);
        from += kChunkBytes;
        if (++slot == kSlots) slot = 0;
      }
    }
  }
}

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_WEIGHT_RING_CUH_
