// Weights ahead of the products, where a block's shared memory has room for those of a layer: each
// stage has a place of its own, and barriers, so that every address is known when the kernel is
// compiled. The head's weights take the place of the first stage.
//
// A stage's place is filled for the next layer as soon as every group's product warps have read it:
// by a thread that does nothing else, or by the last of those warps (BlockMemory::kFetchingWarp).

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

// Asks for `kBytes` of weights from `from` on, to the stage's place. `full`: barriers, by stage.
template <class S, Stage kPlace, int kBytes>
__device__ __forceinline__ void FillPlace(uint32_t shared, uint32_t full, const std::byte* from) {
  const uint32_t barrier = full + static_cast<int>(kPlace) * kBarrierBytes;
  Expect(barrier, kBytes);
  CopyBulk(shared + S::ChunksBefore(kPlace) * kChunkBytes, from, kBytes, barrier);
}

// Where a product warp reads. kFills: the warps fill the places themselves.
template <class S, bool kFills>
class LayerReader {
 public:
  // `shared`: start of the block's shared memory; `full`, `read`: by stage, barriers that say when
  // the weights are there, and barriers that say when they have been read, or counts of the warps
  // that have; `warps`: that read.
  __device__ LayerReader(const StepArguments& a, uint32_t shared, uint32_t full, uint32_t read,
                         int warps)
      : a_(a), shared_(shared), full_(full), read_(read), warps_(warps) {}

  // By one thread, before anything else: the first layer's weights, where kFills is.
  __device__ void Start() const {
    if constexpr (!kFills) return;
    Fill<Stage::kQueryKeyValue, Stage::kQueryKeyValue>(0);
    Fill<Stage::kOutput, Stage::kOutput>(0);
    Fill<Stage::kUp, Stage::kUp>(0);
    Fill<Stage::kDown, Stage::kDown>(0);
  }

  // Which layer's stages come next.
  __device__ __forceinline__ void Enter(int step, int layer) {
    step_ = step;
    layer_ = layer;
  }
  // For the stage's weights.
  template <Stage kStage>
  __device__ __forceinline__ void Wait(BoundedWait& wait) {
    constexpr int kPlace = static_cast<int>(PlaceOfStage(kStage));
    at_ = S::ChunksBefore(PlaceOfStage(kStage));
    wait.For(full_ + kPlace * kBarrierBytes, parities_ >> kPlace & 1);
  }
  // The stage's chunk `index`.
  __device__ __forceinline__ uint32_t Chunk(int index) const {
    return shared_ + (at_ + index) * kChunkBytes;
  }
  // By every warp, when it has used what it has loaded, as RingReader's.
  template <Stage kStage>
  __device__ __forceinline__ void Advance() {
    constexpr int kPlace = static_cast<int>(PlaceOfStage(kStage));
    __syncwarp();
    parities_ ^= 1U << kPlace;
    if (threadIdx.x % 32 != 0) return;
    if constexpr (kFills) {
      if (IsLast(kPlace)) FillAgain<kStage>();
    } else {
      Arrive(read_ + kPlace * kBarrierBytes);
    }
  }

 private:
  // Whether all others of the warps have counted themselves; counts this one.
  __device__ __forceinline__ bool IsLast(int place) const {
    uint32_t before;
    asm volatile("atom.shared.inc.u32 %0, [%1], %2;"
                 : "=r"(before)
                 : "r"(read_ + place * kBarrierBytes), "r"(warps_ - 1)
                 : "memory");
    return before == static_cast<uint32_t>(warps_ - 1);
  }
  // What comes to the stage's place after it.
  template <Stage kStage>
  __device__ __forceinline__ void FillAgain() const {
    constexpr Stage kPlace = PlaceOfStage(kStage);
    if (kStage != Stage::kHead && layer_ + 1 < a_.n_layer) {
      Fill<kPlace, kPlace>(layer_ + 1);
    } else if (kStage == Stage::kQueryKeyValue) {
      Fill<kPlace, Stage::kHead>(a_.n_layer);
    } else if (step_ + 1 < a_.steps) {
      Fill<kPlace, kPlace>(0);
    }
  }
  // Of a layer; the head comes after the last one.
  template <Stage kPlace, Stage kStage>
  __device__ __forceinline__ void Fill(int layer) const {
    constexpr int kBytes = S::SizeOf(kStage).all_chunks() * kChunkBytes;
    constexpr int kBefore = kStage == Stage::kHead ? 0 : S::ChunksBefore(kStage);
    const int64_t chunk =
        int64_t{RankInCluster()} * S::StepChunks(a_.n_layer) + layer * S::kLayerChunks + kBefore;
    FillPlace<S, kPlace, kBytes>(shared_, full_, a_.weights + chunk * kChunkBytes);
  }

  const StepArguments& a_;
  const uint32_t shared_;
  const uint32_t full_;
  const uint32_t read_;
  const int warps_;
  uint32_t parities_ = 0;  // of the phases that are waited for next, bit by stage
  int at_ = 0;             // of the stage that is read, its first chunk
  int step_ = 0;
  int layer_ = 0;
};

// The thread that fills the places.
template <class S>
class LayerFiller {
 public:
  __device__ LayerFiller(uint32_t shared, uint32_t full, uint32_t read, BoundedWait wait)
      : shared_(shared), full_(full), read_(read), wait_(wait) {}

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
    wait_.For(read_ + kPlace * kBarrierBytes, parities_ >> kPlace & 1);
    parities_ ^= 1U << kPlace;
    FillPlace<S, PlaceOfStage(kStage), kBytes>(shared_, full_, from_);
    from_ += kBytes;
  }

  const uint32_t shared_;
  const uint32_t full_;
  const uint32_t read_;
  BoundedWait wait_;
  const std::byte* from_ = nullptr;
  uint32_t parities_ = ~0U;  // of a barrier that is new, the phase before the first has ended
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_LAYER_WEIGHTS_CUH_
