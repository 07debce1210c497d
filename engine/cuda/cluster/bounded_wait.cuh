// Waits that end, whatever goes wrong: a fault must be an error of the call, never a hang.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_BOUNDED_WAIT_CUH_
#define STRIDED_ENGINE_CUDA_CLUSTER_BOUNDED_WAIT_CUH_

#include <cstdint>

#include "engine/cuda/kernels/cluster_exchange.cuh"

namespace strided::cuda::cluster {

// A thread's own. Once one of its waits has taken kLimit nanoseconds, or it has seen that another
// thread's has, it waits no more: the kernel runs to its end, with results that mean nothing and an
// error word that says so.
template <uint64_t kLimit>
class BoundedWaitOf {
 public:
  // `error`: a word of global memory, 0; set to `who` by the first that gives up.
  __device__ BoundedWaitOf(int32_t* error, int32_t who) : error_(error), who_(who) {}

  __device__ __forceinline__ void For(uint32_t barrier, uint32_t parity) {
    uint64_t since = 0;
    for (int tries = 1; !HasEnded(barrier, parity) && !gave_up_; ++tries) {
      if (tries % kTriesPerLook != 0) continue;
      since = Look(error_, who_, since);
      gave_up_ = since == kGaveUp;
    }
  }

 private:
  static constexpr uint64_t kGaveUp = ~uint64_t{0};
  static constexpr int kTriesPerLook = 64;

  // Returns when the wait began, or kGaveUp.
  static __device__ __noinline__ uint64_t Look(int32_t* error, int32_t who, uint64_t since) {
    uint64_t now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    if (*static_cast<volatile int32_t*>(error) != 0) return kGaveUp;
    if (since == 0) return now;
    if (now - since < kLimit) return since;
    atomicCAS(error, 0, who);
    return kGaveUp;
  }

  int32_t* error_;
  int32_t who_;
  bool gave_up_ = false;
};

using BoundedWait = BoundedWaitOf<2'000'000'000>;

// A barrier that is waited for phase by phase.
struct Exchange {
  uint32_t barrier = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void Wait(BoundedWait& wait) {
    wait.For(barrier, parity);
    parity ^= 1;
  }
};

}  // namespace strided::cuda::cluster

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_BOUNDED_WAIT_CUH_
