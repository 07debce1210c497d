// Keys and values of the attention warps' next unit of work, copied into shared memory while the
// one before is under way: nobody asks for them 16 bytes at a time, and they may come late.
//
// Of a unit's keys those of its first tiles have a place, KeyCopyMemory; there is one place, for
// one unit. Where the warps are free, each copies its own tile, when it has read that of the unit
// before into registers. Else one warp copies all tiles, when all warps have.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_KEYS_AHEAD_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_KEYS_AHEAD_CUH_

#include <cstdint>

#include "engine/cuda/cluster/bounded_wait.cuh"
#include "engine/cuda/cluster/planned_pair.cuh"
#include "engine/cuda/cluster/shared_memory.h"
#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::cluster {

// A warp's view.
template <class S, int kTiles, bool kFree>
class KeysAhead {
 public:
  using Copy = KeyCopyMemory<S>;

  // `place`: address of the copies; `full`, `empty`: barriers, one that is full for each warp;
  // `warp`: which this is.
  __device__ KeysAhead(uint32_t place, uint32_t full, uint32_t empty, int warp)
      : place_(place),
        tile_(kFree ? warp : 0),
        full_{full + tile_ * kBarrierBytes},
        empty_{empty} {}

  // By the warps that have tiles, unit by unit, of those that have been copied.
  __device__ __forceinline__ void Wait(BoundedWait& wait) { full_.Wait(wait); }
  // From a key on.
  __device__ __forceinline__ uint32_t Keys(int key) const { return place_ + key * Copy::kKeyBytes; }
  __device__ __forceinline__ uint32_t Values(int key) const {
    return Keys(kKeys) + key * Copy::kValueBytes;
  }
  // Of int8 caches: where the scales of a key and its value lie.
  class ScalePlaces {
   public:
    // Of the keys `begin` to `end` - 1, which have been copied together.
    __device__ __forceinline__ ScalePlaces(uint32_t scales, const KeyStretches& rows, int begin,
                                           int end)
        : split_(min(max(rows.split, begin), end)),
          first_(scales + (rows.RowOf(begin) % 2 - begin) * kRowScaleBytes),
          second_(scales + kCopiedTiles * Copy::kStretchScaleBytes +
                  (rows.RowOf(split_) % 2 - split_) * kRowScaleBytes) {}
    __device__ __forceinline__ uint32_t Of(int key) const {
      return (key < split_ ? first_ : second_) + key * kRowScaleBytes;
    }

   private:
    const int split_;
    const uint32_t first_;
    const uint32_t second_;
  };
  __device__ __forceinline__ ScalePlaces Scales(const PlannedPair& pair) const {
    return ScalePlaces(ScalesAt(), pair.rows, Begin(), End(pair));
  }
  // By each warp that is not free, when it has read the unit.
  __device__ __forceinline__ void Release() const {
    if constexpr (kFree) return;
    FenceLoads();
    __syncwarp();
    if (threadIdx.x % 32 == 0) Arrive(empty_.barrier);
  }

  // Copies the unit, once the one before has been read: by one warp, or where they are free by each
  // that has a tile.
  __device__ __forceinline__ void Fill(const PlannedPair& pair, BoundedWait& wait) {
    if (!kFree && is_used_) empty_.Wait(wait);
    is_used_ = true;
    const int begin = Begin();
    const int end = End(pair);
    const int lane = static_cast<int>(threadIdx.x) % 32;
    CachePart part;
    if (lane < CachePart::kCount<S>) part = CachePart::Of<S>(pair, begin, end, lane);
    int bytes = (end - begin) * (Copy::kKeyBytes + Copy::kValueBytes);
    if constexpr (S::kInt8Caches) bytes = __reduce_add_sync(0xFFFFFFFFu, part.bytes);
    if constexpr (kFree) FenceLoads();
    if (lane == 0) Expect(full_.barrier, bytes);
    __syncwarp();
    if (part.bytes > 0) CopyBulk(Place(lane, part.first), part.from, part.bytes, full_.barrier);
  }

 private:
  static constexpr int kKeys = kTiles * kKeyTile;
  static constexpr int kCopiedTiles = kFree ? 1 : kTiles;  // together

  // A load may still wait for its turn: not past the fence.
  static __device__ __forceinline__ void FenceLoads() {
    asm volatile("fence.acq_rel.cta;" ::: "memory");
  }
  // Of the keys that are copied together.
  __device__ __forceinline__ int Begin() const { return tile_ * kKeyTile; }
  __device__ __forceinline__ int End(const PlannedPair& pair) const {
    return min(pair.keys, Begin() + kCopiedTiles * kKeyTile);
  }
  __device__ __forceinline__ uint32_t ScalesAt() const {
    return Values(kKeys) + tile_ * (2 * Copy::kStretchScaleBytes);
  }
  // Of a CachePart's copy.
  __device__ __forceinline__ uint32_t Place(int part, int first) const {
    if (part < 2) return Keys(first);
    if (part < 4) return Values(first);
    return ScalesAt() + (part - 4) * (kCopiedTiles * Copy::kStretchScaleBytes);
  }

  const uint32_t place_;
  const int tile_;  // the warp's own
  Exchange full_;
  Exchange empty_;
  bool is_used_ = false;
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_KEYS_AHEAD_CUH_
