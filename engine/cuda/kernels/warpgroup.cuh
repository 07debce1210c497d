// Tensor-core products of a warpgroup: wgmma with float32 sums, A in registers, B in shared memory.
//
// A warpgroup is four consecutive warps from a multiple of four on; devices of 9.0 alone have such
// products (PTX ISA, wgmma.mma_async). Fragments are those of fragments.cuh: warp w has outputs
// 16 w ... 16 w + 15 of 64, so that packed weights serve as A as they are, and sums[n] are those of
// columns 8 n ... 8 n + 7. Sums: one instruction of 16 inputs after the other.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_WARPGROUP_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_WARPGROUP_CUH_

#include <cstdint>

#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

inline constexpr int kWarpgroupWarps = 4;

// Makes the thread's writes to shared memory, also those of its copies that have arrived, visible
// to the products of whoever meets it at the next barrier.
__device__ __forceinline__ void ShowToProducts() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Before a series of products: registers that were written since the last one.
__device__ __forceinline__ void BeginProducts() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void CommitProducts() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Until all but the last kGroups groups are done: then their sums may be read, their operands
// written.
template <int kGroups>
__device__ __forceinline__ void WaitForProducts() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroups) : "memory");
}

// Where B lies: columns of 64 inputs, 128 bytes each one after the other, the 16-byte parts of
// column c exchanged (part ^ c % 8). Column 0 starts at a multiple of 1,024 bytes; a step of 16
// inputs is 32 bytes on.
__device__ __forceinline__ uint64_t ColumnsAt(uint32_t shared) {
  constexpr uint64_t kEightColumns = 1024 / 16;
  constexpr uint64_t kExchangedIn128Bytes = 1;
  return (shared & 0x3FFFF) / 16 | uint64_t{1} << 16 | kEightColumns << 32 |
         kExchangedIn128Bytes << 62;
}

// The same where B lies input by input, each with 64 columns in 128 bytes, exchanged by the input's
// number; the next 64 columns `block_bytes` on. A step is 2,048 bytes on.
__device__ __forceinline__ uint64_t InputsAt(uint32_t shared, uint32_t block_bytes) {
  constexpr uint64_t kEightInputs = 1024 / 16;
  constexpr uint64_t kExchangedIn128Bytes = 1;
  return (shared & 0x3FFFF) / 16 | static_cast<uint64_t>(block_bytes / 16) << 16 |
         kEightInputs << 32 | kExchangedIn128Bytes << 62;
}

// Where the same begins `bytes` further on, a multiple of 16.
__device__ __forceinline__ uint64_t BytesOn(uint64_t place, int bytes) {
  const auto low = static_cast<uint32_t>(place) + static_cast<uint32_t>(bytes / 16);
  return (place & 0xFFFFFFFF00000000u) | low;
}

// sums = (sums or, where not `add`, 0) + a b, begun: see CommitProducts. kByInput: B lies as for
// InputsAt.
template <Operand kOperand, int kColumns>
struct WarpgroupProduct;

// The sums of 8 columns, of 16, of 32.
#define STRIDED_SUMS_8(n) "+f"(d[n][0]), "+f"(d[n][1]), "+f"(d[n][2]), "+f"(d[n][3])
#define STRIDED_SUMS_16(n) STRIDED_SUMS_8(n), STRIDED_SUMS_8(n + 1)
#define STRIDED_SUMS_32(n) \
  STRIDED_SUMS_8(n), STRIDED_SUMS_8(n + 1), STRIDED_SUMS_8(n + 2), STRIDED_SUMS_8(n + 3)

// `sums`: the operands' places in the instruction; a, b and `add` follow them.
#define STRIDED_WARPGROUP_PRODUCT(operand, type, columns, places, a0, a1, a2, a3, b0, p0, t0, ...) \
  template <>                                                                                      \
  struct WarpgroupProduct<operand, columns> {                                                      \
    template <bool kByInput>                                                                       \
    static __device__ __forceinline__ void Begin(float (&d)[columns / 8][4],                       \
                                                 const uint32_t (&a)[4], uint64_t b, bool add) {   \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " p0                                          \
                   ", 0;\n"                                                                        \
                   "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." type "." type           \
                   " {" places "}, {" a0 ", " a1 ", " a2 ", " a3 "}, " b0 ", p, 1, 1, " t0 ";\n}"  \
                   : __VA_ARGS__                                                                   \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b),                           \
                     "r"(static_cast<int>(add)), "n"(kByInput ? 1 : 0)                             \
                   : "memory");                                                                    \
    }                                                                                              \
  };

#define STRIDED_PLACES_16 "%0, %1, %2, %3, %4, %5, %6, %7"
#define STRIDED_PLACES_32 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define STRIDED_PLACES_64 \
  STRIDED_PLACES_32       \
  ", "                    \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define STRIDED_PLACES_128                                                           \
  STRIDED_PLACES_64                                                                  \
  ", "                                                                               \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"

#define STRIDED_PLACES_192                                                                     \
  STRIDED_PLACES_128                                                                           \
  ", "                                                                                         \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, " \
  "%82, "                                                                                      \
  "%83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"

#define STRIDED_PRODUCTS_OF_16(operand, type)                                                      \
  STRIDED_WARPGROUP_PRODUCT(operand, type, 16, STRIDED_PLACES_16, "%8", "%9", "%10", "%11", "%12", \
                            "%13", "%14", STRIDED_SUMS_16(0))
#define STRIDED_PRODUCTS_OF_32(operand, type)                                                 \
  STRIDED_WARPGROUP_PRODUCT(operand, type, 32, STRIDED_PLACES_32, "%16", "%17", "%18", "%19", \
                            "%20", "%21", "%22", STRIDED_SUMS_32(0))
#define STRIDED_PRODUCTS_OF_64(operand, type)                                                 \
  STRIDED_WARPGROUP_PRODUCT(operand, type, 64, STRIDED_PLACES_64, "%32", "%33", "%34", "%35", \
                            "%36", "%37", "%38", STRIDED_SUMS_32(0), STRIDED_SUMS_32(4))
#define STRIDED_PRODUCTS_OF_128(operand, type)                                                  \
  STRIDED_WARPGROUP_PRODUCT(operand, type, 128, STRIDED_PLACES_128, "%64", "%65", "%66", "%67", \
                            "%68", "%69", "%70", STRIDED_SUMS_32(0), STRIDED_SUMS_32(4),        \
                            STRIDED_SUMS_32(8), STRIDED_SUMS_32(12))
#define STRIDED_PRODUCTS_OF_192(operand, type)                                                  \
  STRIDED_WARPGROUP_PRODUCT(operand, type, 192, STRIDED_PLACES_192, "%96", "%97", "%98", "%99", \
                            "%100", "%101", "%102", STRIDED_SUMS_32(0), STRIDED_SUMS_32(4),     \
                            STRIDED_SUMS_32(8), STRIDED_SUMS_32(12), STRIDED_SUMS_32(16),       \
                            STRIDED_SUMS_32(20))

STRIDED_PRODUCTS_OF_16(Operand::kBfloat16, "bf16")
STRIDED_PRODUCTS_OF_16(Operand::kFloat16, "f16")
STRIDED_PRODUCTS_OF_32(Operand::kBfloat16, "bf16")
STRIDED_PRODUCTS_OF_32(Operand::kFloat16, "f16")
STRIDED_PRODUCTS_OF_64(Operand::kBfloat16, "bf16")
STRIDED_PRODUCTS_OF_64(Operand::kFloat16, "f16")
STRIDED_PRODUCTS_OF_128(Operand::kBfloat16, "bf16")
STRIDED_PRODUCTS_OF_128(Operand::kFloat16, "f16")
STRIDED_PRODUCTS_OF_192(Operand::kBfloat16, "bf16")
STRIDED_PRODUCTS_OF_192(Operand::kFloat16, "f16")

#undef STRIDED_PRODUCTS_OF_16
#undef STRIDED_PLACES_16
#undef STRIDED_PRODUCTS_OF_32
#undef STRIDED_PLACES_32
#undef STRIDED_PRODUCTS_OF_64
#undef STRIDED_PLACES_64
#undef STRIDED_PRODUCTS_OF_128
#undef STRIDED_PLACES_128
#undef STRIDED_PRODUCTS_OF_192
#undef STRIDED_PLACES_192
#undef STRIDED_WARPGROUP_PRODUCT
#undef STRIDED_SUMS_32
#undef STRIDED_SUMS_16
#undef STRIDED_SUMS_8

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_WARPGROUP_CUH_
