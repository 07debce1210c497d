// The warps of attention in the kernel of decode_attend.cuh: a head's keys and values, of which one
// comes of this step.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ATTEND_HEAD_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ATTEND_HEAD_CUH_

#include <cstdint>

#include "engine/cuda/kernels/attend_sizes.cuh"
#include "engine/cuda/kernels/attention_early.cuh"
#include "engine/cuda/kernels/barriers.cuh"
#include "engine/cuda/kernels/cluster_arrivals.cuh"
#include "engine/cuda/kernels/decode_attend.h"
#include "engine/cuda/kernels/product_results.cuh"

namespace strided::cuda::attend {

// By kAttentionWarps warps of block `head`; their barrier is number 1.
template <class S>
class HeadWarps {
 public:
  using Memory = typename S::Memory;

  __device__ __forceinline__ HeadWarps(const DecodeAttend& a, const attention::Query& query,
                                       Memory& memory)
      : a_(a), query_(query), memory_(memory), thread_(threadIdx.x) {}

  // What does not depend on the grid before. Requires that the query's row is of a sequence.
  __device__ __forceinline__ void Fetch() {
    FetchKeys();
    if (thread_ < kOutputs) FindTarget();
  }

  // Of the thread's output, behind a barrier: a query's to shared memory; a key's and a value's
  // there too, and to the cache.
  __device__ __forceinline__ void StoreSum(float sums) const {
    const float sum = fmaf(sums, scale_, bias_);
    if (thread_ < kHeadWidth) {
      memory_.query[thread_] = sum;
      return;
    }
    const int within = thread_ - kHeadWidth;
    memory_.own[within / kHeadWidth][within % kHeadWidth] = Traits::From(sum);
    product::StoreTarget<S::kOperand>(target_, sum);
  }

  // Leaves the warps' sums.
  __device__ __forceinline__ void Attend() {
    auto& shared = memory_.attention;
    using Early = typename S::Early;
    const attention::VectorQuery<4> query(a_.attention, memory_.query);
    if (own_ >= 0 && own_ < count_ && own_ % Early::KeyTurns::kGroups == thread_ / 4) {
      const auto* const own = reinterpret_cast<const uint4*>(memory_.own);
      keys_.Put(own_, own[thread_ % 4]);
      values_.Put(own_, own[4 + thread_ % 4]);
    }
    attention::Score<S::kOperand, typename Early::KeyTurns, Early::KeyBatch::kBatch>(
        0, count_, query, shared.scores, [&](int i) { return keys_.vectors[i]; });
    SyncAttention();
    const float largest = attention::LargestScore(shared.scores, count_);
    const auto sums =
        attention::Weigh<S::kOperand, typename Early::ValueTurns, Early::ValueBatch::kBatch>(
            attention::VectorSums(), 0, count_, shared.scores, largest,
            [&](int i) { return values_.vectors[i]; });
    attention::ShareSums<4>(sums, /*used=*/true, shared.sums[thread_ / 32],
                            shared.weights + thread_ / 32);
    SyncAttention();
  }

  // Eight of the head's outputs to block thread / 4.
  __device__ __forceinline__ void Send(const ClusterArrivals& arrivals) const {
    const auto& shared = memory_.attention;
    float weights = 0;
#pragma unroll
    for (const float weight : shared.weights) weights += weight;
    const float inverse = query_.keys > 0 ? 1.0f / weights : 0.0f;
    const int first = thread_ % 4 * attention::kVector;
    float values[attention::kVector] = {};
#pragma unroll
    for (int w = 0; w < kAttentionWarps; ++w) {
#pragma unroll
      for (int i = 0; i < attention::kVector; ++i) values[i] += shared.sums[w][first + i];
    }
    uint32_t packed[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      packed[i] = Traits::Pack(values[2 * i] * inverse, values[2 * i + 1] * inverse);
    }
    arrivals.Send(memory_.mixed[0] + query_.head * kHeadWidth + first,
                  make_float4(__uint_as_float(packed[0]), __uint_as_float(packed[1]),
                              __uint_as_float(packed[2]), __uint_as_float(packed[3])),
                  thread_ / 4);
  }

 private:
  using Traits = OperandTraits<S::kOperand>;

  __device__ __forceinline__ static void SyncAttention() { SyncThreads(1, 32 * kAttentionWarps); }

  // Older keys and values of the head.
  __device__ __forceinline__ void FetchKeys() {
    count_ = query_.KeysOf(0);
    own_ = query_.layout.OwnKey(query_.position);
    int* const rows = memory_.attention.rows;
    attention::ListRows(query_, 0, rows);
    SyncAttention();
    keys_.Fetch(attention::VectorRowsOf<4>(query_.keys_at, kHeadWidth), rows, count_, 0, own_);
    values_.Fetch(attention::VectorRowsOf<4>(query_.values_at, kHeadWidth), rows, count_, 0, own_);
    if (a_.attention.next_heads != nullptr) {
      attention::PrefetchNext(a_.attention, query_, sizeof(typename S::Type), thread_);
    }
  }

  // Where the thread's output of the head goes, and what its sum is scaled by.
  __device__ __forceinline__ void FindTarget() {
    const int output = query_.head * kOutputs + thread_;
    const DeviceMatrix& qkv = a_.qkv.matrix;
    if (qkv.scales != nullptr) scale_ = qkv.scales[output];
    if (qkv.bias != nullptr) bias_ = qkv.bias[output];
    target_ = product::TargetOf<S::kOperand>(
        a_.qkv, {query_.head, thread_}, query_.layout,
        product::PlaceOf<S::kOperand>(a_.qkv, query_.row, query_.head), query_.row);
  }

  const DecodeAttend& a_;
  const attention::Query& query_;
  Memory& memory_;
  const int thread_;
  int count_ = 0;  // of keys
  int own_ = -1;   // the query's own, if it is one
  typename S::Early::KeyBatch keys_;
  typename S::Early::ValueBatch values_;
  product::Target target_;  // of the thread's output of the head
  float scale_ = 1;
  float bias_ = 0;
};

}  // namespace strided::cuda::attend

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ATTEND_HEAD_CUH_
