// Moving tiles: global memory to shared memory behind the computation, and on to fragments.
//
// Fragments as in fragments.cuh. PTX ISA: cp.async, ldmatrix, movmatrix.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ASYNC_COPY_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ASYNC_COPY_CUH_

#include <cstdint>

namespace strided::cuda {

// An address within shared memory.
__device__ __forceinline__ uint32_t SharedAddress(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Copies 16 bytes, both sides aligned to 16; writes zeros and reads nothing where not `valid`.
__device__ __forceinline__ void CopyAsync(uint32_t to, const void* from, bool valid) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes)
               : "memory");
}

// Ends a group of the thread's copies.
__device__ __forceinline__ void CommitCopies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// Until all but the thread's last kGroups groups have arrived. Others see them after a barrier.
template <int kGroups>
__device__ __forceinline__ void WaitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

// 16 bytes of shared memory.
__device__ __forceinline__ uint4 ReadShared(uint32_t from) {
  uint4 vector;
  asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(vector.x), "=r"(vector.y), "=r"(vector.z), "=r"(vector.w)
               : "r"(from)
               : "memory");
  return vector;
}

// Four matrices of 8 rows of 16 bytes. Lane l gives the address of row l % 8 of matrix l / 8; lane
// 4 g + t gets elements 2t, 2t+1 of row g of each.
__device__ __forceinline__ void LoadMatrices(uint32_t (&matrices)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(address)
               : "memory");
}

// The same, each transposed: lane 4 g + t gets elements g of rows 2t, 2t+1.
__device__ __forceinline__ void LoadTransposed(uint32_t (&matrices)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(address)
               : "memory");
}

// Four matrices of which lane 4 g + t has elements 2t, 2t+1 of row g, each transposed: lane l gives
// the address of 16 bytes for column l % 8 of matrix l / 8. Since 9.0.
__device__ __forceinline__ void StoreTransposed(uint32_t address, const uint32_t (&matrices)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(address),
               "r"(matrices[0]), "r"(matrices[1]), "r"(matrices[2]), "r"(matrices[3])
               : "memory");
}

// A matrix of 8 x 8 two-byte elements that the warp holds, transposed.
__device__ __forceinline__ uint32_t Transpose(uint32_t pair) {
  uint32_t transposed;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(transposed) : "r"(pair));
  return transposed;
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ASYNC_COPY_CUH_
