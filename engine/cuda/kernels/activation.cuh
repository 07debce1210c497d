// f, between the two matrices of the MLP (engine/model/config.h). Of NaN each gives NaN: what is
// not finite has to reach the logits, where it ends the request.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_ACTIVATION_CUH_
#define STRIDED_ENGINE_CUDA_KERNELS_ACTIVATION_CUH_

#include "engine/model/config.h"

namespace strided::cuda {

__device__ __forceinline__ float Activate(Activation activation, float x) {
  switch (activation) {
    case Activation::kQuickGelu:
      return __fdividef(x, 1.0f + __expf(-1.702f * x));
    case Activation::kGelu:
      return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case Activation::kGeluTanh:
      return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case Activation::kRelu:
      return x < 0.0f ? 0.0f : x;  // fmaxf would take NaN for 0
  }
  return x;
}

// visit<kActivation>(): code of its own for each, for a switch within a loop would be as many times
// as much, and instructions that a block runs once are fetched for nothing.
template <typename Visit>
__device__ __forceinline__ void VisitActivation(Activation activation, Visit&& visit) {
  switch (activation) {
    case Activation::kQuickGelu:
      return visit.template operator()<Activation::kQuickGelu>();
    case Activation::kGelu:
      return visit.template operator()<Activation::kGelu>();
    case Activation::kGeluTanh:
      return visit.template operator()<Activation::kGeluTanh>();
    case Activation::kRelu:
      return visit.template operator()<Activation::kRelu>();
  }
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_ACTIVATION_CUH_
