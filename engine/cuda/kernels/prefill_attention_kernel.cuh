// The tensor-core kernel of prefill_attention.h (Dao 2023, "FlashAttention-2", over intervals).
//
//   query tile  [16 per warp][d_key]          key tile  [kKeys][d_key], [kKeys][d_value]
// One block per head and tile of queries. A warp keeps 16 queries: scores q . k, the soft maximum
// and the sums of values stay in its registers, float32. Tiles of keys pass through two stages of
// shared memory, rows 16 bytes apart from a multiple of 128, so that ldmatrix meets no bank twice.
// Order of a query's sums: its spans in order, tiles ascending, within a tile the order of
// mma.m16n8k16. Bound by the tensor cores and the exponentials.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_KERNEL_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_KERNEL_CUH_

#include "engine/cuda/kernels/async_copy.cuh"
#include "engine/cuda/kernels/attention_source.cuh"
#include "engine/cuda/kernels/fragments.cuh"
#include "engine/cuda/kernels/launch.h"

namespace strided::cuda {

inline constexpr int kWarpQueries = 16;
inline constexpr int kMaxTileQueries = 128;

// kKeySteps: steps of 16 elements of a key; 0: as many as d_key says, the queries then stay in
// shared memory. kValueTiles: tiles of 8 elements of a value, beyond d_value zeros.
template <Operand kOperandType, int kKeyStepsOr0, int kValueTilesOf, int kKeysOf>
struct AttentionKernel {
  static constexpr Operand kOperand = kOperandType;
  static constexpr int kKeySteps = kKeyStepsOr0;
  static constexpr int kValueTiles = kValueTilesOf;
  static constexpr int kKeys = kKeysOf;
  static constexpr int kThreads = kMaxTileQueries / kWarpQueries * 32;
  static constexpr int kBlocksPerMultiprocessor = kValueTiles <= 8 ? 2 : 1;
  static_assert(kValueTiles % 2 == 0 && kKeys % 16 == 0, "one ldmatrix serves two tiles");
  using Traits = OperandTraits<kOperand>;
  using Type = typename Traits::Type;

  // Bytes from one row in shared memory to the next.
  static constexpr int kPadding = 16;
  static constexpr int kValuePitch = kValueTiles * 16 + kPadding;
  static constexpr int kLanesOfRow = 8;

  static __host__ __device__ __forceinline__ int KeySteps(int d_key) {
    return kKeySteps > 0 ? kKeySteps : (d_key + 15) / 16;
  }
  static __host__ __device__ __forceinline__ int KeyPitch(int d_key) {
    return KeySteps(d_key) * 32 + kPadding;
  }
  static __host__ __device__ __forceinline__ int StageBytes(int d_key) {
    return kKeys * (KeyPitch(d_key) + kValuePitch);
  }
  static __host__ __device__ __forceinline__ int SharedBytes(int d_key, int queries) {
    return kBlockBytes + queries * KeyPitch(d_key) + 2 * StageBytes(d_key);
  }

  // What a block works on.
  struct Task {
    int head;
    RowRun run;
    QueryTile tile;
    QueryOrder order;
    KeySpan spans[kMaxSpans];  // that hold every query's
    int first_tile[kMaxSpans];
    int tiles[kMaxSpans];

    __device__ int RowOf(int query) const {
      return run.first_row + tile.first + query * tile.stride;
    }
    __device__ int PositionOf(int query) const {
      return run.first_position + tile.first + query * tile.stride;
    }
  };

  // In shared memory: what all threads know, at no cost in registers.
  struct Block {
    Task task;
    KeySource<Type> source;
  };
  static constexpr int kBlockBytes = 256;
  static_assert(sizeof(Block) <= kBlockBytes && kBlockBytes % 128 == 0);

  // What a query reads of one span.
  struct Limits {
    int begin = 0;
    int end = 0;
    __device__ bool Misses(int first) const {  // all of a tile's keys
      return begin >= first + kKeys || end <= first || end <= begin;
    }
    __device__ bool Covers(int first) const { return begin <= first && end >= first + kKeys; }
    __device__ bool Holds(int key) const { return begin <= key && key < end; }
  };

  // What a lane keeps of its two queries, lane / 4 and lane / 4 + 8 of the warp's.
  struct State {
    Limits limits[kMaxSpans][2];
    float largest[2] = {-INFINITY, -INFINITY};
    float weights[2] = {};  // the lane's share of the sum
    float values[kValueTiles][4] = {};
  };

  // Copies, not references: an array in registers has no address.
  static __device__ __forceinline__ Limits Select(bool second, Limits a, Limits b) {
    return {second ? b.begin : a.begin, second ? b.end : a.end};
  }

  static __device__ __forceinline__ float Exp2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }

  // -- Finding work.

  static __device__ __forceinline__ Task TaskOf(const PrefillAttention& a, const HeadRows& rows,
                                                QueryOrder order) {
    Task task;
    task.head = blockIdx.y;
    task.order = order;
    task.tile = TileAt(rows, order, a.rows.runs, a.rows.run_count, blockIdx.x, blockDim.x / 2);
    if (task.tile.count == 0) return task;
    task.run = a.rows.runs[task.tile.run];
#pragma unroll
    for (int s = 0; s < kMaxSpans; ++s) {
      const KeySpan first = SpanOf(rows, order, s, task.PositionOf(0));
      const KeySpan last = SpanOf(rows, order, s, task.PositionOf(task.tile.count - 1));
      task.spans[s] = {first.axis, first.begin, last.end};
      task.first_tile[s] = first.begin / kKeys;
      const int end_tile = (last.end + kKeys - 1) / kKeys;
      task.tiles[s] = last.end > first.begin ? end_tile - task.first_tile[s] : 0;
    }
    return task;
  }

  static __device__ __forceinline__ void SetLimits(const Task& task, const HeadRows& rows,
                                                   State& state) {
    const int first = threadIdx.x / 32 * kWarpQueries + threadIdx.x % 32 / 4;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = first + half * 8;
#pragma unroll
      for (int s = 0; s < kMaxSpans; ++s) {
        KeySpan span = {KeyAxis::kPositions, 0, 0};
        if (query < task.tile.count) span = SpanOf(rows, task.order, s, task.PositionOf(query));
        state.limits[s][half] = {span.begin, span.end};
      }
    }
  }

  // -- Copies to shared memory, eight lanes a row.

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

  static __device__ __forceinline__ void CopyQueries(const PrefillAttention& a, const Task& task,
                                                     uint32_t to) {
    const int parts = KeySteps(a.d_key) * 2;
    const int queries = blockDim.x / 2;
    for (int q = threadIdx.x / kLanesOfRow; q < queries; q += blockDim.x / kLanesOfRow) {
      const bool valid = q < task.tile.count;
      const Type* const row = QueryOf<Type>(a, task.head, task.RowOf(valid ? q : 0));
      for (int part = threadIdx.x % kLanesOfRow; part < parts; part += kLanesOfRow) {
        CopyPart(row, part, a.d_key, valid, IsAligned(a), to + q * KeyPitch(a.d_key) + part * 16);
      }
    }
  }

  // The block's tile `index`, counted over both spans.
  static __device__ __forceinline__ void CopyKeys(const PrefillAttention& a, const Block& block,
                                                  int index, uint32_t to) {
    const Task& task = block.task;
    const KeySource<Type> source = block.source;  // in registers, meanwhile
    const bool second = index >= task.tiles[0];
    const KeyAxis axis = second ? task.spans[1].axis : task.spans[0].axis;
    const Limits limits = Select(second, {task.spans[0].begin, task.spans[0].end},
                                 {task.spans[1].begin, task.spans[1].end});
    const int first = FirstKeyOf(task, index);
    const int key_parts = KeySteps(a.d_key) * 2;
    const int key_pitch = KeyPitch(a.d_key);
    const uint32_t to_values = to + kKeys * key_pitch;
    for (int k = threadIdx.x / kLanesOfRow; k < kKeys; k += blockDim.x / kLanesOfRow) {
      const int key = first + k;
      const bool valid = limits.Holds(key);
      const auto row = source.At(axis, valid ? key : limits.begin);
      for (int part = threadIdx.x % kLanesOfRow; part < key_parts + kValueTiles;
           part += kLanesOfRow) {
        if (part < key_parts) {
          CopyPart(row.key, part, a.d_key, valid, IsAligned(a), to + k * key_pitch + part * 16);
        } else {
          const int value_part = part - key_parts;
          CopyPart(row.value, value_part, a.d_value, valid, IsAligned(a),
                   to_values + k * kValuePitch + value_part * 16);
        }
      }
    }
  }

  static __device__ __forceinline__ int FirstKeyOf(const Task& task, int index) {
    const int tile = index >= task.tiles[0] ? task.first_tile[1] + index - task.tiles[0]
                                            : task.first_tile[0] + index;
    return tile * kKeys;
  }

  // -- Scores and sums.

  using Scores = float[kKeys / 8][4];
  struct Queries {
    uint32_t address = 0;  // of the lane's part of the first step
    uint32_t held[kKeySteps > 0 ? kKeySteps : 1][4] = {};
  };

  static __device__ __forceinline__ Queries QueriesOf(uint32_t shared, int d_key) {
    const int lane = threadIdx.x % 32;
    const int query = threadIdx.x / 32 * kWarpQueries + lane % 16;
    Queries queries;
    queries.address = shared + query * KeyPitch(d_key) + lane / 16 * 16;
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
    const int key_pitch = KeyPitch(d_key);
    const uint32_t keys = stage + (lane / 16 * 8 + lane % 8) * key_pitch + lane / 8 % 2 * 16;
    if constexpr (kKeySteps > 0) {
#pragma unroll
      for (int k = 0; k < kKeySteps; ++k) {
        ScoreStep(queries.held[k], keys + k * 32, key_pitch, scores);
      }
    } else {
      const int steps = KeySteps(d_key);
      for (int k = 0; k < steps; ++k) {
        uint32_t query[4];
        LoadMatrices(query, queries.address + k * 32);
        ScoreStep(query, keys + k * 32, key_pitch, scores);
      }
    }
  }

  // Leaves out what the lane's queries do not read of keys first, first + 1, ...
  static __device__ __forceinline__ void Mask(Limits low, Limits high, int first, Scores& scores) {
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int key = first + n * 8 + threadIdx.x % 4 * 2 + i;
        if (!low.Holds(key)) scores[n][i] = -INFINITY;
        if (!high.Holds(key)) scores[n][2 + i] = -INFINITY;
      }
    }
  }

  // Turns scores into weights exp(scale (score - largest)), and what is summed so far to the new
  // largest. Where that stays, the factor is exactly 1. `scale` is in powers of two.
  static __device__ __forceinline__ void Soften(float scale, State& state, Scores& scores) {
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
      const float factor = Exp2((state.largest[half] - base) * scale);
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
      state.weights[half] = fmaf(state.weights[half], factor, sum);
#pragma unroll
      for (int v = 0; v < kValueTiles; ++v) {
        state.values[v][2 * half] *= factor;
        state.values[v][2 * half + 1] *= factor;
      }
    }
  }

  static __device__ __forceinline__ void AddValues(const Scores& weights, uint32_t values,
                                                   State& state) {
    const int lane = threadIdx.x % 32;
    const uint32_t from = values + lane % 16 * kValuePitch + lane / 16 * 16;
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k) {
      const uint32_t a[4] = {Traits::Pack(weights[2 * k][0], weights[2 * k][1]),
                             Traits::Pack(weights[2 * k][2], weights[2 * k][3]),
                             Traits::Pack(weights[2 * k + 1][0], weights[2 * k + 1][1]),
                             Traits::Pack(weights[2 * k + 1][2], weights[2 * k + 1][3])};
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
    constexpr float kLog2E = 1.44269504f;
    const Limits low = Select(second, state.limits[0][0], state.limits[1][0]);
    const Limits high = Select(second, state.limits[0][1], state.limits[1][1]);
    if (__all_sync(0xFFFFFFFFu, low.Misses(first) && high.Misses(first))) return;
    Scores scores = {};
    Score(queries, stage, a.d_key, scores);
    const bool all = low.Covers(first) && high.Covers(first);
    if (!__all_sync(0xFFFFFFFFu, all)) Mask(low, high, first, scores);
    Soften(a.scale * kLog2E, state, scores);
    AddValues(scores, stage + kKeys * KeyPitch(a.d_key), state);
  }

  // -- Results.

  static __device__ __forceinline__ float* PartialOf(const PrefillAttention& a, const Task& task,
                                                     int query) {
    const int64_t row = task.RowOf(query);
    return a.partial + (row * a.n_head + task.head) * (a.d_value + 2);
  }

  // Calls visit(half, query) for the lane's queries.
  template <typename Visit>
  static __device__ __forceinline__ void ForOwnQueries(const Task& task, Visit&& visit) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = threadIdx.x / 32 * kWarpQueries + threadIdx.x % 32 / 4 + half * 8;
      if (query < task.tile.count) visit(half, query);
    }
  }

  static __device__ __forceinline__ void ReadPartial(const PrefillAttention& a, const Task& task,
                                                     State& state) {
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

  static __device__ __forceinline__ void WritePartial(const PrefillAttention& a, const Task& task,
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

  static __device__ __forceinline__ void WriteMixed(const PrefillAttention& a, const Task& task,
                                                    const State& state) {
    const int t = threadIdx.x % 4;
    ForOwnQueries(task, [&](int half, int query) {
      const float inverse = state.weights[half] > 0 ? 1.0f / state.weights[half] : 0.0f;
      auto* const to = reinterpret_cast<uint16_t*>(a.mixed) + task.RowOf(query) * a.mixed_stride +
                       task.head * a.d_value;
#pragma unroll
      for (int v = 0; v < kValueTiles; ++v) {
        const int column = v * 8 + t * 2;
        const uint32_t pair = Traits::Pack(state.values[v][2 * half] * inverse,
                                           state.values[v][2 * half + 1] * inverse);
        if (column < a.d_value && a.d_value % 2 == 0) {
          *reinterpret_cast<uint32_t*>(to + column) = pair;
        } else if (column < a.d_value) {
          to[column] = static_cast<uint16_t>(pair);
          if (column + 1 < a.d_value) to[column + 1] = static_cast<uint16_t>(pair >> 16);
        }
      }
    });
  }

  static __device__ __forceinline__ void Finish(const PrefillAttention& a, const Task& task,
                                                bool to_partial, State& state) {
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

  // -- Main loop.

  // Whether the block has queries. By all threads; thread 0 does the arithmetic.
  static __device__ __forceinline__ bool FindWork(const PrefillAttention& a, QueryOrder order,
                                                  Block& block) {
    if (threadIdx.x == 0) {
      const HeadRows rows = a.heads[blockIdx.y];
      block.task = TaskOf(a, rows, order);
      if (block.task.tile.count > 0) {
        const int residue = block.task.PositionOf(0) % rows.period;
        block.source = KeySource<Type>(a, block.task.run, block.task.head, residue);
      }
    }
    __syncthreads();
    return block.task.tile.count > 0;
  }

  static __device__ __forceinline__ void Run(const PrefillAttention& a, QueryOrder order,
                                             std::byte* shared) {
    const PatternKind kind = a.heads[blockIdx.y].kind;
    if (!TakesQueries(a.heads[blockIdx.y], order)) return;
    Block& block = *reinterpret_cast<Block*>(shared);
    const Task& task = block.task;
    if (!FindWork(a, order, block)) return;
    State state;
    SetLimits(task, block.source.rows(), state);
    const bool merges = kind == PatternKind::kLocalStrided;
    if (merges && order == QueryOrder::kConsecutive) ReadPartial(a, task, state);

    const uint32_t to_queries = SharedAddress(shared) + kBlockBytes;
    const uint32_t stages = to_queries + blockDim.x / 2 * KeyPitch(a.d_key);
    const int tiles = task.tiles[0] + task.tiles[1];
    CopyQueries(a, task, to_queries);
    if (tiles > 0) CopyKeys(a, block, 0, stages);
    CommitCopies();
    Queries queries;
    for (int i = 0; i < tiles; ++i) {
      if (i + 1 < tiles) CopyKeys(a, block, i + 1, stages + (i + 1) % 2 * StageBytes(a.d_key));
      CommitCopies();
      WaitForCopies<1>();
      __syncthreads();  // tile i has arrived for all
      if (i == 0) queries = QueriesOf(to_queries, a.d_key);
      Attend(a, queries, stages + i % 2 * StageBytes(a.d_key), i >= task.tiles[0],
             FirstKeyOf(task, i), state);
      __syncthreads();  // all are done with tile i
    }
    WaitForCopies<0>();  // the queries' own, where there are no keys
    Finish(a, task, merges && order == QueryOrder::kColumns, state);
  }
};

template <typename Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, Kernel::kBlocksPerMultiprocessor)
    PrefillAttentionKernel(const __grid_constant__ PrefillAttention a, QueryOrder order) {
  extern __shared__ __align__(128) std::byte shared[];
  WaitForGridBefore();
  LetNextGridStart();
  Kernel::Run(a, order, shared);
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ATTENTION_KERNEL_CUH_
