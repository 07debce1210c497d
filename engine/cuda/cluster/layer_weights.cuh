// Weights ahead of the products, where a block's shared memory has room for those of a layer: each
// stage has a place of its own, and two barriers, so that every address is known when the kernel is
// compiled. A stage's place is filled for the next layer as soon as every group's product warps
// have read it. The head's weights take that of the first stage.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_LAYER_WEIGHTS_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_LAYER_WEIGHTS_CUH_

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/cluster/shared_memory.h"
#include "engine/cuda/cluster/step_arguments.h"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::cluster {

constexpr Stage PlaceOfStage(Stage stage) {
  return stage == Stage::kHead ? Stage::kQueryKeyValue : stage;
}

// Where a product warp reads.
template <class S>
struct LayerReader {
  uint32_t shared = 0;  // start of the block's shared memory
  uint32_t full = 0;    // barriers, by stage
  uint32_t empty = 0;
  uint32_t parities = 0;  // of the phases that are waited for next, bit by stage
  int slot = 0;           // of the stage that is read

  // For the stage's weights.
  template <Stage kStage>
  __device__ __forceinline__ void Wait(BoundedWait& wait) {
    constexpr int kPlace = static_cast<int>(PlaceOfStage(kStage));
    slot = S::ChunksBefore(PlaceOfStage(kStage));
    wait.For(full + kPlace * kBarrierBytes, parities >> kPlace & 1);
  }
  // The stage's chunk `index`.
  __device__ __forceinline__ uint32_t Chunk(int index) const {
    return shared + (slot + index) * kChunkBytes;
  }
  // By every warp, when it has used what it has loaded, as RingReader's.
  template <Stage kStage>
  __device__ __forceinline__ void Advance() {
    constexpr int kPlace = static_cast<int>(PlaceOfStage(kStage));
    __syncwarp();
    if (threadIdx.x % 32 == 0) Arrive(empty + kPlace * kBarrierBytes);
    parities ^= 1U << kPlace;
  }
};

// The thread that fills the places.
template <class S>
class LayerFiller {
 public:
  __device__ LayerFiller(uint32_t shared, uint32_t full, uint32_t empty, BoundedWait wait)
      : shared_(shared), full_(full), empty_(empty), wait_(wait) {}

  __device__ void Run(const StepArguments& a) {
    const int64_t step_bytes = int64_t{S::StepChunks(a.n_layer)} * kChunkBytes;
    for (int step = 0; step < a.steps; ++step) {
      from_ = a.weights + RankInCluster() * step_bytes;
      for (int layer = 0; layer < a.n_layer; ++layer) {
        Fill<Stage::kQueryKeyValue>();
        Fill<Stage::kOutput>();
        Fill<Stage::kUp>();
        Fill<Stage::kDown>();
      }
      Fill<Stage::kHead>();
    }
  }

 private:
  template <Stage kStage>
  __device__ __forceinline__ void Fill() {
    constexpr int kPlace = static_cast<int>(PlaceOfStage(kStage));
    constexpr int kBytes = S::SizeOf(kStage).all_chunks() * kChunkBytes;
    constexpr int kAt = S::ChunksBefore(PlaceOfStage(kStage)) * kChunkBytes;
    wait_.For(empty_ + kPlace * kBarrierBytes, parities_ >> kPlace & 1);
    parities_ ^= 1U << kPlace;
    const uint32_t barrier = full_ + kPlace * kBarrierBytes;
    Expect(barrier, kBytes);
    CopyBulk(shared_ + kAt, from_, kBytes, barrier);
    from_ += kBytes;
  }

  const uint32_t shared_;
  const uint32_t full_;
  const uint32_t empty_;
  BoundedWait wait_;
  const std::byte* from_ = nullptr;
  uint32_t parities_ = ~0U;  // of a barrier that is new, the phase before the first has ended
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_LAYER_WEIGHTS_CUH_
