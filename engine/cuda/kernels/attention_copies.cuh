// Prefill attention's copies to shared memory, eight lanes a row.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_COPIES_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_COPIES_CUH_

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/attention_task.cuh"

namespace strided::cuda {

template <class Sizes>
struct AttentionCopies {
  using Type = typename Sizes::Type;
  static constexpr int kKeys = Sizes::kKeys;
  static constexpr int kValueTiles = Sizes::kValueTiles;
  static constexpr int kLanesOfRow = 8;

  // Part `part` of 8 elements of a row of `width`; zeros beyond it and where not `valid`.
  static __device__ __forceinline__ void CopyPart(const Type* row, int part, int width, bool valid,
                                                  bool aligned, uint32_t to) {
    const int first = part * 8;
    if (aligned) {
      const bool inside = valid && first < width;
      CopyAsync(to, row + (inside ? first : 0), inside);
      return;
    }
    for (int i = 0; i < 8; ++i) {
      uint16_t element = 0;
      if (valid && first + i < width) {
        element = __ldcg(reinterpret_cast<const uint16_t*>(row) + first + i);
      }
      asm volatile("st.shared.u16 [%0], %1;" ::"r"(to + i * 2), "h"(element) : "memory");
    }
  }

  static __device__ __forceinline__ bool IsAligned(const PrefillAttention& a) {
    return a.d_key % 8 == 0 && a.d_value % 8 == 0;
  }

  static __device__ __forceinline__ void CopyQueries(const PrefillAttention& a,
                                                     const AttentionTask& task, uint32_t to) {
    const int parts = Sizes::KeySteps(a.d_key) * 2;
    const int queries = blockDim.x / 2;
    for (int q = threadIdx.x / kLanesOfRow; q < queries; q += blockDim.x / kLanesOfRow) {
      const bool valid = q < task.tile.count;
      const Type* const row = QueryOf<Type>(a, task.head, task.RowOf(valid ? q : 0));
      for (int part = threadIdx.x % kLanesOfRow; part < parts; part += kLanesOfRow) {
        CopyPart(row, part, a.d_key, valid, IsAligned(a),
                 to + q * Sizes::KeyPitch(a.d_key) + part * 16);
      }
    }
  }

  // Where a thread's key of the next tile lies, in 16-byte parts from `qkv` on, once a span's keys
  // are the call's own and even (AttentionBlock::key_ahead); modulo 2^32, for keys that are not
  // read may lie before it.
  struct Walk {
    static constexpr uint32_t kNowhere = 0xFFFFFFFFu;
    uint32_t part = kNowhere;
  };

  // By one thread, of a block whose in_call is known.
  static __device__ __forceinline__ void FindDistances(int span, AttentionBlock<Type>& block) {
    const HeadRows& rows = block.source.rows();
    const CallKeys<Type>& keys = block.in_call[span];
    const int ahead = static_cast<int>(blockDim.x) / kLanesOfRow;
    const bool even = keys.IsEven(ahead, rows.cells);
    const auto parts = [&](int count) {
      return even ? static_cast<uint32_t>(keys.Ahead(count, rows.by_cells) / 8) : 0;
    };
    block.key_ahead[span] = parts(ahead);
    block.tile_ahead[span] = parts(kKeys);
  }

  // The block's tile `index`, counted over both spans. Tiles come in order.
  static __device__ __forceinline__ void CopyKeys(const PrefillAttention& a,
                                                  const AttentionBlock<Type>& block, int index,
                                                  Walk& walk, uint32_t to) {
    const AttentionTask& task = block.task;
    const bool second = index >= task.tiles[0];
    const KeyLimits limits = Select(second, task.limits[0], task.limits[1]);
    const int first = task.FirstKeyOf<kKeys>(index);
    if constexpr (Sizes::kByWarpgroups) {
      if (index == task.tiles[0]) walk.part = Walk::kNowhere;
      if (walk.part != Walk::kNowhere)
        return CopyNextTile(a, block, second, limits, first, walk, to);
    }
    const KeyAxis axis = second ? task.axes[1] : task.axes[0];
    const bool in_call = IsAligned(a) && block.source.IsInCall(axis, max(first, limits.begin));
    if constexpr (Sizes::kByWarpgroups) {
      if (in_call) {
        const CallKeys<Type> keys = second ? block.in_call[1] : block.in_call[0];
        const Divisor& by_cells = block.source.rows().by_cells;
        if ((second ? block.key_ahead[1] : block.key_ahead[0]) != 0) {
          const Type* const from = keys.At(first + threadIdx.x / kLanesOfRow, by_cells);
          walk.part = static_cast<uint32_t>((from - reinterpret_cast<const Type*>(a.qkv)) / 8) +
                      threadIdx.x % kLanesOfRow;
          return CopyNextTile(a, block, second, limits, first, walk, to);
        }
        return CopyCallTile(keys, by_cells, limits, first, to);
      }
    }
    if (a.scales != nullptr) {
      return CopyTile(a, limits, first, to,
                      [&](int key) { return block.source.EitherAt(axis, key); });
    }
    CopyTile(a, limits, first, to, [&](int key) { return block.source.At(axis, key); });
  }

  // Keys first, first + 1, ...; those beyond the limits are zeros.
  template <typename RowAt>
  static __device__ __forceinline__ void CopyTile(const PrefillAttention& a, KeyLimits limits,
                                                  int first, uint32_t to, RowAt&& row_at) {
    const int key_parts = Sizes::KeySteps(a.d_key) * 2;
    const bool aligned = IsAligned(a);
#pragma unroll 1
    for (int k = threadIdx.x / kLanesOfRow; k < kKeys; k += blockDim.x / kLanesOfRow) {
      const int key = first + k;
      const bool valid = limits.Holds(key);
      const auto row = row_at(valid ? key : limits.begin);
#pragma unroll
      for (int part = threadIdx.x % kLanesOfRow; part < key_parts; part += kLanesOfRow) {
        CopyKeyPart(row, part, a.d_key, valid, aligned, to + Sizes::KeyOffset(k, part, a.d_key));
      }
#pragma unroll
      for (int part = threadIdx.x % kLanesOfRow; part < kValueTiles; part += kLanesOfRow) {
        CopyValuePart(row, part, a.d_value, valid, aligned,
                      to + Sizes::ValueOffset(k, part, a.d_key));
      }
    }
  }

 private:
  // A key of the call's own rows and its value are one stretch of whole parts.
  static constexpr int kKeyParts = Sizes::kKeySteps * 2;
  static constexpr int kRounds = (kKeyParts + kValueTiles) / kLanesOfRow;

  // Where a thread's parts of its first key of a tile lie in the stage; of later ones whole rows
  // on, since their number is a multiple of 8: parts are exchanged alike.
  struct Offsets {
    uint32_t of[kRounds > 0 ? kRounds : 1];

    __device__ __forceinline__ Offsets() {
      static_assert((kKeyParts + kValueTiles) % kLanesOfRow == 0 && kRounds > 0);
      const int k = threadIdx.x / kLanesOfRow;
#pragma unroll
      for (int r = 0; r < kRounds; ++r) {
        const int part = r * kLanesOfRow + threadIdx.x % kLanesOfRow;
        of[r] = part < kKeyParts ? Sizes::KeyOffset(k, part, 0)
                                 : Sizes::ValueOffset(k, part - kKeyParts, 0);
      }
    }
    __device__ __forceinline__ void Copy(const Type* from, bool valid, uint32_t to) const {
#pragma unroll
      for (int r = 0; r < kRounds; ++r) CopyAsync(to + of[r], from + r * (kLanesOfRow * 8), valid);
    }
  };

  // Keys at even distances, from where `walk` is, which then is at the next tile.
  static __device__ __forceinline__ void CopyNextTile(const PrefillAttention& a,
                                                      const AttentionBlock<Type>& block,
                                                      bool second, KeyLimits limits, int first,
                                                      Walk& walk, uint32_t to) {
    const int ahead = static_cast<int>(blockDim.x) / kLanesOfRow;
    const uint32_t key_ahead = second ? block.key_ahead[1] : block.key_ahead[0];
    const auto* const parts = reinterpret_cast<const uint4*>(a.qkv);
    const Offsets offsets;
    uint32_t part = walk.part;
#pragma unroll 1
    for (int k = threadIdx.x / kLanesOfRow; k < kKeys; k += ahead) {
      const bool valid = limits.Holds(first + k);
      offsets.Copy(reinterpret_cast<const Type*>(parts + (valid ? part : 0)), valid, to);
      part += key_ahead;
      to += ahead * Sizes::kRowBytes;
    }
    walk.part += second ? block.tile_ahead[1] : block.tile_ahead[0];
  }

  // Any keys of the call's.
  static __device__ __forceinline__ void CopyCallTile(const CallKeys<Type>& keys,
                                                      const Divisor& by_cells, KeyLimits limits,
                                                      int first, uint32_t to) {
    const int ahead = static_cast<int>(blockDim.x) / kLanesOfRow;
    const Offsets offsets;
#pragma unroll 1
    for (int k = threadIdx.x / kLanesOfRow; k < kKeys; k += ahead) {
      const int key = first + k;
      const bool valid = limits.Holds(key);
      const Type* const from = keys.At(valid ? key : limits.begin, by_cells);
      offsets.Copy(from + threadIdx.x % kLanesOfRow * 8, valid, to);
      to += ahead * Sizes::kRowBytes;
    }
  }

  using Row = typename KeySource<Type>::Row;
  using EitherRow = typename KeySource<Type>::EitherRow;

  static __device__ __forceinline__ void CopyKeyPart(const Row& row, int part, int width,
                                                     bool valid, bool aligned, uint32_t to) {
    CopyPart(row.key, part, width, valid, aligned, to);
  }
  static __device__ __forceinline__ void CopyValuePart(const Row& row, int part, int width,
                                                       bool valid, bool aligned, uint32_t to) {
    CopyPart(row.value, part, width, valid, aligned, to);
  }
  static __device__ __forceinline__ void CopyKeyPart(const EitherRow& row, int part, int width,
                                                     bool valid, bool aligned, uint32_t to) {
    if (row.narrow) return WidenPart(row.key, row.scales.x, part, width, valid, to);
    CopyPart(reinterpret_cast<const Type*>(row.key), part, width, valid, aligned, to);
  }
  static __device__ __forceinline__ void CopyValuePart(const EitherRow& row, int part, int width,
                                                       bool valid, bool aligned, uint32_t to) {
    if (row.narrow) return WidenPart(row.value, row.scales.y, part, width, valid, to);
    CopyPart(reinterpret_cast<const Type*>(row.value), part, width, valid, aligned, to);
  }
  // CopyPart of an int8 row: not behind the computation.
  static __device__ __forceinline__ void WidenPart(const std::byte* row, float scale, int part,
                                                   int width, bool valid, uint32_t to) {
    uint4 vector = make_uint4(0, 0, 0, 0);
    if (valid && part * kNarrowVector < width) {
      vector =
          WidenedVector<Sizes::kOperand>(__ldcg(reinterpret_cast<const uint2*>(row) + part), scale);
    }
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(vector.x), "r"(vector.y),
                 "r"(vector.z), "r"(vector.w)
                 : "memory");
  }
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_COPIES_CUH_
