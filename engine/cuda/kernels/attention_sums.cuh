// Prefill attention's arithmetic: scores, soft maximum, sums of values.
//
// By a warp, for its 16 queries; fragments as in fragments.cuh.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_SUMS_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_SUMS_CUH_

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/attention_task.cuh"
#include "engine/cuda/kernels/exponential.cuh"
#include "engine/cuda/kernels/fragments.cuh"

namespace strided::cuda {

template <class Sizes>
struct AttentionSums {
  using Traits = typename Sizes::Traits;
  static constexpr Operand kOperand = Sizes::kOperand;
  static constexpr int kKeySteps = Sizes::kKeySteps;
  static constexpr int kValueTiles = Sizes::kValueTiles;
  static constexpr int kKeys = Sizes::kKeys;
  static constexpr int kValuePitch = Sizes::kValuePitch;

  // What a lane keeps of its two queries, lane / 4 and lane / 4 + 8 of the warp's.
  struct State {
    KeyLimits limits[kMaxSpans][2];
    float largest[2] = {-INFINITY, -INFINITY};
    float weights[2] = {};  // the lane's share of the sum
    float values[kValueTiles][4] = {};
  };

  // The number in the block of the lane's query `half`.
  static __device__ __forceinline__ int OwnQuery(int half) {
    return threadIdx.x / 32 * kWarpQueries + threadIdx.x % 32 / 4 + half * 8;
  }

  static __device__ __forceinline__ void SetLimits(const AttentionTask& task, const HeadRows& rows,
                                                   State& state) {
#pragma unroll
    for (int s = 0; s < kMaxSpans; ++s) {
      if (task.tiles[s] == 0) continue;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        state.limits[s][half] = task.LimitsOf(rows, s, OwnQuery(half));
      }
    }
  }

  using Scores = float[kKeys / 8][4];
  struct Queries {
    uint32_t address = 0;  // of the lane's part of the first step
    uint32_t held[kKeySteps > 0 ? kKeySteps : 1][4] = {};
  };

  static __device__ __forceinline__ Queries QueriesOf(uint32_t shared, int d_key) {
    const int lane = threadIdx.x % 32;
    const int query = threadIdx.x / 32 * kWarpQueries + lane % 16;
    Queries queries;
    queries.address = shared + query * Sizes::KeyPitch(d_key) + lane / 16 * 16;
    if constexpr (kKeySteps > 0) {
#pragma unroll
      for (int k = 0; k < kKeySteps; ++k) LoadMatrices(queries.held[k], queries.address + k * 32);
    }
    return queries;
  }

  static __device__ __forceinline__ void ScoreStep(const uint32_t (&query)[4], uint32_t keys,
                                                   int key_pitch, Scores& scores) {
#pragma unroll
    for (int pair = 0; pair < kKeys / 16; ++pair) {
      uint32_t b[4];
      LoadMatrices(b, keys + pair * 16 * key_pitch);
      MultiplyTile<kOperand>(scores[2 * pair], query, b[0], b[1]);
      MultiplyTile<kOperand>(scores[2 * pair + 1], query, b[2], b[3]);
    }
  }

  static __device__ __forceinline__ void Score(const Queries& queries, uint32_t stage, int d_key,
                                               Scores& scores) {
    const int lane = threadIdx.x % 32;
    const int key_pitch = Sizes::KeyPitch(d_key);
    const uint32_t keys = stage + (lane / 16 * 8 + lane % 8) * key_pitch + lane / 8 % 2 * 16;
    if constexpr (kKeySteps > 0) {
#pragma unroll
      for (int k = 0; k < kKeySteps; ++k) {
        ScoreStep(queries.held[k], keys + k * 32, key_pitch, scores);
      }
    } else {
      const int steps = Sizes::KeySteps(d_key);
      for (int k = 0; k < steps; ++k) {
        uint32_t query[4];
        LoadMatrices(query, queries.address + k * 32);
        ScoreStep(query, keys + k * 32, key_pitch, scores);
      }
    }
  }

  // Leaves out what the lane's queries do not read of keys first, first + 1, ...
  static __device__ __forceinline__ void Mask(KeyLimits low, KeyLimits high, int first,
                                              Scores& scores) {
    const int lane_first = first + threadIdx.x % 4 * 2;
    const KeyLimits of_low = {low.begin - lane_first, low.end - lane_first};
    const KeyLimits of_high = {high.begin - lane_first, high.end - lane_first};
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        if (!of_low.Holds(n * 8 + i)) scores[n][i] = -INFINITY;
        if (!of_high.Holds(n * 8 + i)) scores[n][2 + i] = -INFINITY;
      }
    }
  }

  static __device__ __forceinline__ void MaskWhereNeeded(bool second, int first, const State& state,
                                                         Scores& scores) {
    const KeyLimits low = Select(second, state.limits[0][0], state.limits[1][0]);
    const KeyLimits high = Select(second, state.limits[0][1], state.limits[1][1]);
    const bool all = low.Covers(first, kKeys) && high.Covers(first, kKeys);
    if (!__all_sync(0xFFFFFFFFu, all)) Mask(low, high, first, scores);
  }

  // Turns scores into weights exp(scale (score - largest)), and what is summed so far to the new
  // largest. Where that stays, the factor is exactly 1. `scale` is in powers of two.
  static __device__ __forceinline__ void Soften(float scale, State& state, Scores& scores) {
    float factors[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float largest = state.largest[half];
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
        largest = fmaxf(largest, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
      }
      largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFu, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFu, largest, 2));
      const float base = largest == -INFINITY ? 0.0f : largest;
      factors[half] = Exp2((state.largest[half] - base) * scale);
      state.largest[half] = largest;
      float sum = 0;
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[n][i] = Exp2(fmaf(scores[n][i], scale, -base * scale));
          sum += scores[n][i];
        }
      }
      state.weights[half] = fmaf(state.weights[half], factors[half], sum);
    }
    if (__all_sync(0xFFFFFFFFu, factors[0] == 1.0f && factors[1] == 1.0f)) return;
#pragma unroll
    for (int v = 0; v < kValueTiles; ++v) {
#pragma unroll
      for (int i = 0; i < 4; ++i) state.values[v][i] *= factors[i / 2];
    }
  }

  // Those of keys 16 k ... 16 k + 15, as the A operand.
  static __device__ __forceinline__ void PackWeights(const Scores& weights, int k,
                                                     uint32_t (&a)[4]) {
    a[0] = Traits::Pack(weights[2 * k][0], weights[2 * k][1]);
    a[1] = Traits::Pack(weights[2 * k][2], weights[2 * k][3]);
    a[2] = Traits::Pack(weights[2 * k + 1][0], weights[2 * k + 1][1]);
    a[3] = Traits::Pack(weights[2 * k + 1][2], weights[2 * k + 1][3]);
  }

  static __device__ __forceinline__ void AddValues(const Scores& weights, uint32_t values,
                                                   State& state) {
    const int lane = threadIdx.x % 32;
    const uint32_t from = values + lane % 16 * kValuePitch + lane / 16 * 16;
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      uint32_t a[4];
      PackWeights(weights, k, a);
#pragma unroll
      for (int pair = 0; pair < kValueTiles / 2; ++pair) {
        uint32_t b[4];
        LoadTransposed(b, from + k * 16 * kValuePitch + pair * 32);
        MultiplyTile<kOperand>(state.values[2 * pair], a, b[0], b[1]);
        MultiplyTile<kOperand>(state.values[2 * pair + 1], a, b[2], b[3]);
      }
    }
  }

  // One tile of keys, unless none of the warp's queries reads of it.
  static __device__ __forceinline__ void Attend(const PrefillAttention& a, const Queries& queries,
                                                uint32_t stage, bool second, int first,
                                                State& state) {
    const KeyLimits low = Select(second, state.limits[0][0], state.limits[1][0]);
    const KeyLimits high = Select(second, state.limits[0][1], state.limits[1][1]);
    if (__all_sync(0xFFFFFFFFu, low.Misses(first, kKeys) && high.Misses(first, kKeys))) return;
    Scores scores = {};
    Score(queries, stage, a.d_key, scores);
    MaskWhereNeeded(second, first, state, scores);
    Soften(a.scale * kLog2OfE, state, scores);
    AddValues(scores, stage + Sizes::ValueOffset(0, 0, a.d_key), state);
  }
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTENTION_SUMS_CUH_
