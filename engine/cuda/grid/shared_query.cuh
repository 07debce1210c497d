// A query of several chunks: their shares, combined as Combine of attention_chunk.cuh adds them.

#ifndef STRIDED_ENGINE_CUDA_GRID_SHARED_QUERY_CUH_
#define STRIDED_ENGINE_CUDA_GRID_SHARED_QUERY_CUH_

#include <cstdint>

#include "engine/cuda/grid/cells.cuh"
#include "engine/cuda/kernels/exponential.cuh"
#include "engine/cuda/kernels/warp_math.cuh"

namespace strided::cuda::grid {

template <class S>
class SharedQuery {
 public:
  // In shared memory: values, the largest score, the sum of weights.
  using Shares = float[kMostChunks][S::kValue + 2];

  __device__ __forceinline__ SharedQuery(Shares& shares, int chunks, int thread)
      : shares_(shares), chunks_(chunks), thread_(thread) {}

  // By all threads of the block, most of which wait for one pair of cells. A barrier must follow.
  __device__ __forceinline__ void Await(const Cell* from, uint32_t tag, Wait& wait) {
    const int pairs = chunks_ * (S::kValue + 2) / 2;
#pragma unroll 1
    for (int i = thread_; i < pairs; i += kThreads) {
      CellPair pair[1];
      AwaitPairs(
          pair, [&](int) { return from + i * 2; }, [](int) { return true; }, tag, wait);
      reinterpret_cast<float2*>(&shares_[0][0])[i] =
          make_float2(__uint_as_float(pair[0].first), __uint_as_float(pair[0].second));
    }
  }

  // Value `thread` of the query, in the order of its chunks. By whole warps.
  __device__ __forceinline__ float Combine() const {
    constexpr int kBatch = 8;
    const int lane = thread_ % 32;  // also the chunk whose weight it knows
    const float of_chunk = lane < chunks_ ? shares_[lane][S::kValue] : -INFINITY;
    const float weight = Exp2(of_chunk - WarpMax(of_chunk));
    const float weights = lane < chunks_ ? shares_[lane][S::kValue + 1] : 0.0f;
    float sum = 0;
    float value = 0;
#pragma unroll 1
    for (int first = 0; first < chunks_; first += kBatch) {
#pragma unroll
      for (int i = 0; i < kBatch; ++i) {
        const float by = __shfl_sync(0xFFFFFFFFu, weight, first + i);
        const float of = __shfl_sync(0xFFFFFFFFu, weights, first + i);
        if (first + i >= chunks_) continue;
        sum = fmaf(by, of, sum);
        value = fmaf(by, shares_[first + i][thread_], value);
      }
    }
    return value / sum;
  }

 private:
  Shares& shares_;
  const int chunks_;
  const int thread_;
};

}  // namespace strided::cuda::grid

#endif  // STRIDED_ENGINE_CUDA_GRID_SHARED_QUERY_CUH_
