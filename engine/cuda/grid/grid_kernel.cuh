// The grid kernel: all layers of a decode step of few rows, one block to a multiprocessor.

#ifndef STRIDED_ENGINE_CUDA_GRID_GRID_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_GRID_GRID_KERNEL_CUH_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "engine/cuda/grid/attention_block.cuh"
#include "engine/cuda/grid/norm_block.cuh"
#include "engine/cuda/grid/sum_block.cuh"

namespace strided::cuda::grid {

// A block is of one of the kinds, or attends only.
template <class S, WeightFormat kFormat, Operand kOperand>
struct BlockMemory {
  using Norm = NormMemory<S, kFormat, kOperand>;
  using Out = SumMemory<OutStage<S>, kFormat, kOperand>;
  using Down = SumMemory<DownStage<S>, kFormat, kOperand>;

  AttentionMemory<S, kOperand> attention;
  union {
    Norm norm;
    Out out;
    Down down;
  };
};

struct NoProducts {
  static constexpr bool kFetchesKeysFirst = false;
  static constexpr int kCopiesAfterKeys = 0;
  __device__ __forceinline__ void Begin() {}
  __device__ __forceinline__ void BeforeAttention(int, uint32_t) {}
  __device__ __forceinline__ void AfterAttention(int, uint32_t) {}
};

// What a block does of every layer, in the layer's order: so no block waits for what another does
// behind what waits for this one. Copies are committed in one order, by every block of a kind, be
// there some or not: norm's qkv, up, keys; out's weights, keys; down's keys, weights.
template <class S, class Attention, class Products>
__device__ __forceinline__ void RunLayers(const GridArguments& a, Attention&& attention,
                                          Products&& products, uint32_t tag) {
  constexpr int kCopiesAfterKeys = std::remove_reference_t<Products>::kCopiesAfterKeys;
  products.Begin();
  attention.Fetch(0);
#pragma unroll
  for (int i = 0; i < kCopiesAfterKeys; ++i) CommitCopies();  // so many follow the keys, here empty
#pragma unroll 1
  for (int layer = 0; layer < a.n_layer; ++layer) {
    ++tag;
    products.BeforeAttention(layer, tag);
    attention.template Run<kCopiesAfterKeys>(layer, tag);
    if constexpr (std::remove_reference_t<Products>::kFetchesKeysFirst) {
      attention.Fetch(layer + 1);
      products.AfterAttention(layer, tag);
    } else {
      products.AfterAttention(layer, tag);
      attention.Fetch(layer + 1);
    }
  }
}

// Grid: all multiprocessors' blocks, which run at once.
template <class S, WeightFormat kFormat, Operand kOperand>
__global__ void __launch_bounds__(kThreads, 1) GridKernel(const __grid_constant__ GridArguments a) {
  using Memory = BlockMemory<S, kFormat, kOperand>;
  extern __shared__ __align__(16) std::byte shared[];
  auto& memory = *reinterpret_cast<Memory*>(shared);
  const int block = blockIdx.x;
  const Wait wait(a.error, ErrorWordOf(block, static_cast<int>(threadIdx.x) / 32));
  const uint32_t tag = a.tags[block];
  __syncthreads();
  if (threadIdx.x == 0) a.tags[block] = tag + static_cast<uint32_t>(a.n_layer);
  AttentionBlock<S, kOperand> attention(a, memory.attention, wait);
  const int first_down = a.roles.norm + a.roles.out;
  if (block < a.roles.norm) {
    RunLayers<S>(a, attention, NormBlock<S, typename Memory::Norm>(a, memory.norm, wait), tag);
  } else if (block < first_down) {
    using Block = SumBlock<S, OutStage<S>, typename Memory::Out>;
    RunLayers<S>(a, attention, Block(a, memory.out, block - a.roles.norm, wait), tag);
  } else if (block < a.roles.blocks()) {
    using Block = SumBlock<S, DownStage<S>, typename Memory::Down>;
    RunLayers<S>(a, attention, Block(a, memory.down, block - first_down, wait), tag);
  } else {
    RunLayers<S>(a, attention, NoProducts(), tag);
  }
}

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_GRID_KERNEL_CUH_
