// Where prefill attention's sums go, and where a second pass takes them up.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_RESULTS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_RESULTS_CUH_

#include "engine/cuda/kernels/attention_sums.cuh"
#include "engine/cuda/kernels/attention_task.cuh"

namespace strided::cuda {

template <class Sizes>
struct AttentionResults {
  using Sums = AttentionSums<Sizes>;
  using State = typename Sums::State;
  using Traits = typename Sizes::Traits;
  static constexpr int kValueTiles = Sizes::kValueTiles;

  static __device__ __forceinline__ float* PartialOf(const PrefillAttention& a,
                                                     const AttentionTask& task, int query) {
    const int64_t row = task.RowOf(query);
    return a.partial + (row * a.n_head + task.head) * (a.d_value + 2);
  }

  // Calls visit(half, query) for the lane's queries.
  template <typename Visit>
  static __device__ __forceinline__ void ForOwnQueries(const AttentionTask& task, Visit&& visit) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = Sums::OwnQuery(half);
      if (query < task.tile.count) visit(half, query);
    }
  }

  static __device__ __forceinline__ void ReadPartial(const PrefillAttention& a,
                                                     const AttentionTask& task, State& state) {
    const int t = threadIdx.x % 4;
    ForOwnQueries(task, [&](int half, int query) {
      const float* const from = PartialOf(a, task, query);
      state.largest[half] = __ldcg(from + a.d_value);
      if (t == 0) state.weights[half] = __ldcg(from + a.d_value + 1);
#pragma unroll
      for (int v = 0; v < kValueTiles; ++v) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int column = v * 8 + t * 2 + i;
          if (column < a.d_value) state.values[v][2 * half + i] = __ldcg(from + column);
        }
      }
    });
  }

  static __device__ __forceinline__ void WritePartial(const PrefillAttention& a,
                                                      const AttentionTask& task,
                                                      const State& state) {
    const int t = threadIdx.x % 4;
    ForOwnQueries(task, [&](int half, int query) {
      float* const to = PartialOf(a, task, query);
      if (t == 0) {
        to[a.d_value] = state.largest[half];
        to[a.d_value + 1] = state.weights[half];
      }
#pragma unroll
      for (int v = 0; v < kValueTiles; ++v) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int column = v * 8 + t * 2 + i;
          if (column < a.d_value) to[column] = state.values[v][2 * half + i];
        }
      }
    });
  }

  static __device__ __forceinline__ uint16_t* MixedOf(const PrefillAttention& a,
                                                      const AttentionTask& task, int query) {
    return reinterpret_cast<uint16_t*>(a.mixed) + task.RowOf(query) * a.mixed_stride +
           task.head * a.d_value;
  }

  static __device__ __forceinline__ uint32_t MixedPair(const State& state, int half, int v,
                                                       float inverse) {
    return Traits::Pack(state.values[v][2 * half] * inverse,
                        state.values[v][2 * half + 1] * inverse);
  }

  static __device__ __forceinline__ float InverseOf(const State& state, int half) {
    return state.weights[half] > 0 ? 1.0f / state.weights[half] : 0.0f;
  }

  static __device__ __forceinline__ void WriteMixed(const PrefillAttention& a,
                                                    const AttentionTask& task, const State& state) {
    if constexpr (Sizes::kByWarpgroups) return WriteWholeTiles(a, task, state);
    const int t = threadIdx.x % 4;
    ForOwnQueries(task, [&](int half, int query) {
      const float inverse = InverseOf(state, half);
      uint16_t* const to = MixedOf(a, task, query);
#pragma unroll
      for (int v = 0; v < kValueTiles; ++v) {
        const int column = v * 8 + t * 2;
        const uint32_t pair = MixedPair(state, half, v, inverse);
        if (column < a.d_value && a.d_value % 2 == 0) {
          *reinterpret_cast<uint32_t*>(to + column) = pair;
        } else if (column < a.d_value) {
          to[column] = static_cast<uint16_t>(pair);
          if (column + 1 < a.d_value) to[column + 1] = static_cast<uint16_t>(pair >> 16);
        }
      }
    });
  }

  // The same where d_value is kValueTiles * 8: two lanes exchange pairs, so that each writes four
  // elements of one of two tiles.
  static __device__ __forceinline__ void WriteWholeTiles(const PrefillAttention& a,
                                                         const AttentionTask& task,
                                                         const State& state) {
    const bool odd = threadIdx.x % 2 != 0;
    const int column = (odd ? 8 : 0) + threadIdx.x % 4 / 2 * 4;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = Sums::OwnQuery(half);
      const float inverse = InverseOf(state, half);
      const bool valid = query < task.tile.count;
      uint16_t* const to = MixedOf(a, task, valid ? query : 0) + column;
#pragma unroll
      for (int v = 0; v < kValueTiles; v += 2) {
        const uint32_t first = MixedPair(state, half, v, inverse);
        const uint32_t second = MixedPair(state, half, v + 1, inverse);
        const uint32_t other = __shfl_xor_sync(0xFFFFFFFFu, odd ? first : second, 1);
        const uint2 four = odd ? make_uint2(other, second) : make_uint2(first, other);
        if (valid) *reinterpret_cast<uint2*>(to + v * 8) = four;
      }
    }
  }

  static __device__ __forceinline__ void Finish(const PrefillAttention& a,
                                                const AttentionTask& task, bool to_partial,
                                                State& state) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      state.weights[half] += __shfl_xor_sync(0xFFFFFFFFu, state.weights[half], 1);
      state.weights[half] += __shfl_xor_sync(0xFFFFFFFFu, state.weights[half], 2);
    }
    if (to_partial) {
      WritePartial(a, task, state);
    } else {
      WriteMixed(a, task, state);
    }
  }
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_RESULTS_CUH_
