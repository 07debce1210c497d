// Keys and values of the attention warps' next unit of work, copied into shared memory while the
// one before is under way: nobody asks for them 16 bytes at a time, and they may come late.
//
// Of a unit's keys those of its first tiles have a place, KeyCopyMemory; there is one place, for
// one unit. It is written when all warps have read the unit before into registers, by the copies of
// one warp. That warp writes the caches' new rows too, and fences them for the copies of later
// steps.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_KEYS_AHEAD_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_KEYS_AHEAD_CUH_

#include <cstdint>

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/cluster/planned_pair.cuh"
#include "engine/cuda/cluster/shared_memory.h"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::cluster {

// A warp's view.
template <class S, int kTiles>
class KeysAhead {
 public:
  using Copy = KeyCopyMemory<S>;

  // `place`: address of the copies; `full`, `empty`: barriers.
  __device__ KeysAhead(uint32_t place, uint32_t full, uint32_t empty)
      : place_(place), full_{full}, empty_{empty} {}

  // By all warps, unit by unit, of those that have been copied.
  __device__ __forceinline__ void Wait(BoundedWait& wait) { full_.Wait(wait); }
  // From a key on.
  __device__ __forceinline__ uint32_t Keys(int key) const { return place_ + key * Copy::kKeyBytes; }
  __device__ __forceinline__ uint32_t Values(int key) const {
    return Keys(kKeys) + key * Copy::kValueBytes;
  }
  // Of int8 caches: where the scales of a key and its value lie.
  class ScalePlaces {
   public:
    __device__ __forceinline__ ScalePlaces(uint32_t scales, const KeyStretches& rows)
        : split_(rows.split),
          first_(scales + rows.RowOf(0) % 2 * kRowScaleBytes),
          second_(scales + kTiles * Copy::kStretchScaleBytes +
                  (rows.RowOf(rows.split) % 2 - rows.split) * kRowScaleBytes) {}
    __device__ __forceinline__ uint32_t Of(int key) const {
      return (key < split_ ? first_ : second_) + key * kRowScaleBytes;
    }

   private:
    const int split_;
    const uint32_t first_;
    const uint32_t second_;
  };
  __device__ __forceinline__ ScalePlaces Scales(const PlannedPair& pair) const {
    return ScalePlaces(Values(kKeys), pair.rows);
  }
  // By each warp, when it has read the unit. A load may still wait for its turn: not past the
  // fence.
  __device__ __forceinline__ void Release() const {
    asm volatile("fence.acq_rel.cta;" ::: "memory");
    __syncwarp();
    if (threadIdx.x % 32 == 0) Arrive(empty_.barrier);
  }

  // By one warp: copies the unit, once the one before has been read.
  __device__ __forceinline__ void Fill(const PlannedPair& pair, BoundedWait& wait) {
    if (is_used_) empty_.Wait(wait);
    is_used_ = true;
    const int keys = min(pair.keys, kKeys);
    const int lane = static_cast<int>(threadIdx.x) % 32;
    CachePart part;
    if (lane < CachePart::kCount<S>) part = CachePart::Of<S>(pair, keys, lane);
    int bytes = keys * (Copy::kKeyBytes + Copy::kValueBytes);
    if constexpr (S::kInt8Caches) bytes = __reduce_add_sync(0xFFFFFFFFu, part.bytes);
    if (lane == 0) Expect(full_.barrier, bytes);
    __syncwarp();
    if (part.bytes > 0) CopyBulk(Place(lane, part.first), part.from, part.bytes, full_.barrier);
  }

 private:
  static constexpr int kKeys = kTiles * kKeyTile;

  // Of a CachePart's copy.
  __device__ __forceinline__ uint32_t Place(int part, int first) const {
    if (part < 2) return Keys(first);
    if (part < 4) return Values(first);
    return Values(kKeys) + (part - 4) * (kTiles * Copy::kStretchScaleBytes);
  }

  const uint32_t place_;
  Exchange full_;
  Exchange empty_;
  bool is_used_ = false;
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_KEYS_AHEAD_CUH_
