// Tensor-core products of whole numbers: mma.m16n8k32 with bytes as operands and int32 sums.
//
// Lane 4 g + t. A: bytes 4t to 4t+3 of row g (a0) and g+8 (a1), bytes 16+4t to 16+4t+3 of them (a2,
// a3). B: the same bytes of column g. The sums: d0, d1 of row g and columns 2t, 2t+1; d2, d3 of row
// g+8. PTX ISA: mma.m16n8k32.
//
// Of what is multiplied with bytes, whole numbers of 16 bits are two columns, their high and their
// low byte: even columns high ones, odd ones low. So every lane of a row gets the same two sums,
// and its number is high * 256 + low, exactly.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_BYTE_TILE_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_BYTE_TILE_CUH_

#include <cstdint>

namespace strided::cuda {

enum class ByteColumns { kSigned, kUnsigned };

// d += a b; A's bytes are signed.
template <ByteColumns kColumns>
__device__ __forceinline__ void MultiplyBytes(int (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                              uint32_t b1) {
  if constexpr (kColumns == ByteColumns::kSigned) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

// Of the sums of a high and a low column.
__device__ __forceinline__ int WholeSum(int high, int low) { return high * 256 + low; }

// A number of 16 bits as signed bytes: the low one rounds to the nearest, -128 to 127.
__device__ __forceinline__ int SignedByte(int number, bool is_high) {
  return (is_high ? (number + 128) >> 8 : number) & 0xFF;
}
inline constexpr int kMostSigned = 127 * 256 + 127;

__device__ __forceinline__ uint32_t PackBytes(int a, int b, int c, int d) {
  return static_cast<uint32_t>(a | b << 8 | c << 16 | d << 24);
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_BYTE_TILE_CUH_
