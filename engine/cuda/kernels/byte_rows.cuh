// A chunk's keys (or values) of an int8 cache in shared memory.
//
// Rows of kParts parts of 16 bytes, the parts exchanged so that the same part of eight rows lies in
// eight different banks for ldmatrix. What is beyond a row's width, or beyond the chunk's keys, is
// anything: the numbers that it is multiplied with are zeros.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_BYTE_ROWS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_BYTE_ROWS_CUH_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/attention_chunk.cuh"

namespace strided::cuda::attention {

template <int kPartsOf>
struct ByteRows {
  static constexpr int kParts = kPartsOf;  // 2, 4, 8 or 16
  static constexpr int kBytes = kAttentionChunk * kParts * 16;

  static __device__ __forceinline__ int Offset(int row, int part) {
    constexpr int kRowsOfLine = kParts < 8 ? 8 / kParts : 1;
    constexpr int kExchanged = kParts < 8 ? kParts : 8;
    return (row * kParts + (part ^ row / kRowsOfLine % kExchanged)) * 16;
  }

  // Copies the rows `rows[0]`, ..., `rows[keys - 1]` of a cache of rows of `width` bytes, by the
  // whole warp. `aligned`: rows begin at multiples of 16 bytes, else of 8.
  static __device__ __forceinline__ void Copy(const std::byte* from, int width, bool aligned,
                                              const int* rows, int keys, uint32_t to) {
    constexpr int kAtOnce = 32 / kParts;
    const int lane = threadIdx.x % 32;
    const int part = lane % kParts;
    if (!aligned) return CopyHalves(from, width, rows, keys, to);
#pragma unroll
    for (int first = 0; first < kAttentionChunk; first += kAtOnce) {
      const int key = first + lane / kParts;
      if (key >= keys || part * 16 >= width) continue;
      const std::byte* const row = from + static_cast<int64_t>(rows[key]) * width;
      CopyAsync(to + Offset(key, part), row + part * 16, /*valid=*/true);
    }
  }

  // Writes bytes 8 half to 8 half + 7 of a row. Others see them after a barrier.
  static __device__ __forceinline__ void WriteHalf(uint32_t to, int row, int half, uint2 eight) {
    const uint32_t at = to + Offset(row, half / 2) + half % 2 * 8;
    asm volatile("st.shared.v2.u32 [%0], {%1, %2};" ::"r"(at), "r"(eight.x), "r"(eight.y)
                 : "memory");
  }

 private:
  // The same, not behind the computation: cp.async of 8 bytes goes through the multiprocessor's own
  // cache, which does not see what others write.
  static __device__ __forceinline__ void CopyHalves(const std::byte* from, int width,
                                                    const int* rows, int keys, uint32_t to) {
    const int halves = width / 8;
#pragma unroll 1
    for (int i = threadIdx.x % 32; i < keys * halves; i += 32) {
      const int key = i / halves;
      const int half = i - key * halves;
      const std::byte* const row = from + static_cast<int64_t>(rows[key]) * width;
      const uint2 eight = __ldcg(reinterpret_cast<const uint2*>(row) + half);
      WriteHalf(to, key, half, eight);
    }
  }
};

}  // namespace strided::cuda::attention

#endif  // STRIDED_ENGINE_CUDA_KERNELS_BYTE_ROWS_CUH_
